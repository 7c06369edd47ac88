package trap

//ktrap:pre vfs_read
func read() {
	for _, c := range comm() { // want string-op at 20
		emit(c)
	}
}
