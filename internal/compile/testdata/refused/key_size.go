package trap

var m map[[300]uint8]uint64 // want key-size at 5

//ktrap:pre vfs_read
func read() {
	emit(1)
}
