package trap

//ktrap:pre vfs_read
func read() {
	emit(cast[no_such_struct](arg(0)).x) // want undefined at 12
}
