// Memory that the kernel takes for a program, by where it is asked for.
// The function has this name since it can be told which code took how much.
package trap

var sizes hist
var bytes map[stack]uint64

//ktrap:pre __kmalloc_noprof
func alloc(size uint64) {
	if comm() == "corpus" {
		sizes.add(size)
		bytes[kstack()] += size
	}
}
