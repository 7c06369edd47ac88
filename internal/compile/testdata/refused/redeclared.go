package trap

//ktrap:pre vfs_read
func read() {
	x := pid()
	var x uint64 // want redeclared at 6
	emit(x)
}
