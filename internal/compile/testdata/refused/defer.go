package trap

func other() {
}

//ktrap:pre vfs_read
func read() {
	defer other() // want defer at 2
}
