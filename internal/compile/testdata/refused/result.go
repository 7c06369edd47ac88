package trap

//ktrap:pre vfs_read
func read() uint64 { // want result at 13
	return 1
}
