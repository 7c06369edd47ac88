package trap

//ktrap:pre vfs_read
func read() {
	a := [2]uint64{1, 2}
	emit(a[pid()%2]) // want not-go-here at 7
}
