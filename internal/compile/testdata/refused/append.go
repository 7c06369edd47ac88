package trap

var list [4]uint64

//ktrap:pre vfs_read
func read() {
	append(list, 1) // want slice at 2
}
