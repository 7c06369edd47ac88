package trap

//ktrap:pre vfs_read
func read(file *inode) { // want param-type at 11
	emit(file)
}
