package trap

//ktrap:pre vfs_read
func read(count uint32) { // want param-type at 11
	emit(count)
}
