package trap

//ktrap:pre vfs_read
func begin(t *trap) { // want context at 12
	emit(t.addr)
}
