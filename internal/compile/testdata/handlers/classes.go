// Sizes in classes of one's own: a range over an array, with a label.
package trap

var classes [5]uint64

//ktrap:pre vfs_write
func write(count uint64) {
	if comm() != "corpus" {
		return
	}
	class, limit := len(classes)-1, uint64(16)
search:
	for i := range classes {
		if count <= limit {
			class = i
			break search
		}
		limit *= 8
	}
	classes[class]++
}
