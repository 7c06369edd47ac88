package trap

//ktrap:ret vfs_read
func done(rv int64, n uint64) { // want unknown-param at 21
	emit(rv, n)
}
