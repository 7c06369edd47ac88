package trap

var f float64 // want float at 7

//ktrap:pre vfs_read
func read() {
	emit(1)
}
