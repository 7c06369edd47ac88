package trap

//ktrap:prre vfs_read // want directive at 1
func read() {
	emit(1)
}
