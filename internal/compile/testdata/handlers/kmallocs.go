// Memory that the kernel takes for a program, by where it is asked for. (On newer
// kernels see kmallocs_noprof.)
package trap

var sizes hist
var bytes map[stack]uint64

//ktrap:pre __kmalloc
func alloc(size uint64) {
	if comm() == "corpus" {
		sizes.add(size)
		bytes[kstack()] += size
	}
}
