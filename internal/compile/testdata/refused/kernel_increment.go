package trap

//ktrap:pre vfs_read
func read(file *file) {
	file.f_pos++ // want kernel-write at 2
}
