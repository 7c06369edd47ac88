package trap

//ktrap:pre vfs_read
func read() {
	s := "four"
	emit(s[9]) // want index-range at 9
}
