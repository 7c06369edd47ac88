package trap

//ktrap:pre vfs_read
func read() {
	emit(float32(pid())) // want float at 7
}
