package trap

//ktrap:pre vfs_read
func read() {
	printf(comm()) // want argument at 9
}
