// How much vfs_read returns, as a histogram, and how often it fails by error.
package trap

var sizes hist
var errors map[int64]uint64

//ktrap:ret vfs_read
func read(n int64) {
	if n < 0 {
		errors[-n]++
		return
	}
	sizes.add(n)
}
