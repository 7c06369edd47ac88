package trap

//ktrap:pre vfs_read
func read() {
	emit(string(rune(pid()))) // want string-op at 7
}
