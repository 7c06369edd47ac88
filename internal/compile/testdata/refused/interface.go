package trap

var x interface{} // want interface at 7

//ktrap:pre vfs_read
func read() {
	emit(1)
}
