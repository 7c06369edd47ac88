package trap

func down(n uint64) uint64 {
	if n == 0 {
		return 0
	}
	return down(n - 1) // want recursion at 9
}

//ktrap:pre vfs_read
func read() {
	emit(down(3))
}
