// Sizes in classes of one's own: a search in a loop, an index from a variable, and
// arithmetic of 32 bits.
package trap

var (
	classes [6]uint64
	limits  [5]uint32
	digest  uint32
)

//ktrap:pre vfs_write
func write(count uint64) {
	class := len(classes) - 1
	for i := range limits {
		if uint32(count) <= limits[i] {
			class = i
			break
		}
	}
	classes[class]++
	h := digest ^ uint32(count)
	for range 4 {
		h = (h<<5 | h>>27) * 0x9e3779b1
	}
	digest = h ^ uint32(int16(h)>>3)
}
