package trap

var x any

//ktrap:pre vfs_read
func read() {
	emit(x.(uint64)) // want interface at 7
}
