package trap

//ktrap:pre vfs_read
func read(_ *file) { // want unknown-param at 11
	emit(1)
}
