package trap

var c chan uint64 // want channel at 7

//ktrap:pre vfs_read
func read() {
	emit(1)
}
