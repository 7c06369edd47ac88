package trap

//ktrap:pre vfs_read
func read(pos *int64) {
	*pos = 0 // want kernel-write at 2
}
