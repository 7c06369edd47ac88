package trap

type pair[T any] struct{ a, b T } // want generic at 6

//ktrap:pre vfs_read
func read() {
	emit(1)
}
