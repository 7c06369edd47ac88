package trap

//ktrap:pre vfs_read
func read(file *file) {
	emit(str(file, 1000)) // want argument at 17
}
