package main // want handler-name at 9

//ktrap:pre vfs_read
func read() {
	emit(1)
}
