package trap

func sum(n ...uint64) uint64 { // want slice at 12
	return 1
}

//ktrap:pre vfs_read
func read() {
	emit(sum(1, 2))
}
