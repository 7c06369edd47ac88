package trap

func twice[T any](x T) T { // want generic at 1
	return x
}

//ktrap:pre vfs_read
func read() {
	emit(twice(pid()))
}
