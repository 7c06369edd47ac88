package trap

func other() {
}

//ktrap:pre vfs_read
func read() {
	go other() // want goroutine at 2
}
