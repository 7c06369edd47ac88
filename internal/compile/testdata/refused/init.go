package trap

func init() { // want handler-name at 1
}

//ktrap:pre vfs_read
func read() {
	emit(1)
}
