package trap

func twice(n uint64) uint64 {
	return n * 2
}

//ktrap:pre vfs_read
func read() {
	emit(twice(1, 2)) // want type at 16
}
