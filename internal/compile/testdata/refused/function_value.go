package trap

func other() {
}

//ktrap:pre vfs_read
func read() {
	f := other // want func-value at 7
	f()
}
