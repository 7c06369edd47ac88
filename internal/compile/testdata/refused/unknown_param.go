package trap

//ktrap:pre vfs_read
func read(fil *file) { // want unknown-param at 11
	emit(fil)
}
