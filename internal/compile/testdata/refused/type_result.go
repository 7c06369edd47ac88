package trap

func twice(n uint64) uint32 {
	return n * 2 // want type at 9
}

//ktrap:pre vfs_read
func read() {
	emit(twice(1))
}
