package trap

//ktrap:ret vfs_read
func done(rv uint8) { // want param-type at 11
	emit(rv)
}
