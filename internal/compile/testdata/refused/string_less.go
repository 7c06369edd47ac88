package trap

//ktrap:pre vfs_read
func read() {
	if comm() < "b" { // want string-op at 5
		emit(1)
	}
}
