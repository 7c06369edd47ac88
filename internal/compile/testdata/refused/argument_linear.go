package trap

var all hist

//ktrap:pre vfs_read
func read(count uint64) {
	all.linear(count, 10, 0, 1) // want argument at 2
}
