package trap

//ktrap:pre vfs_read
func read() {
	emit(arg(int(pid()))) // want argument at 11
}
