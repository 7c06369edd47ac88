// A histogram of sizes, by powers of two.
package trap

var sizes hist

//ktrap:pre vfs_read
func read(count uint64) { sizes.add(count) }
