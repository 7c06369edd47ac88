package trap

//ktrap:ret vfs_read
func done(rv int64) {
	emit(rv, arg(0)) // want context at 11
}
