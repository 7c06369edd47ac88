package trap

//ktrap:pre vfs_read
func read() {
	log(1) // want undefined at 2
}
