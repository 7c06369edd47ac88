package trap

func even(n uint64) bool {
	return n == 0 || odd(n-1)
}

func odd(n uint64) bool {
	return n != 0 && even(n-1) // want recursion at 19
}

//ktrap:pre vfs_read
func read() {
	emit(even(3))
}
