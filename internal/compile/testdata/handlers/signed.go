// Signed division and remainder of what a function returned.
package trap

var last int64
var tenth, rest int32

//ktrap:ret vfs_read
func read(n int64) {
	if comm() != "corpus" {
		return
	}
	last = n / 7
	tenth = int32(n) / 10
	rest = int32(n) % 10
}
