package trap

//ktrap:pre vfs_read
func read(file *file) {
	file.f_pos = 0 // want kernel-write at 2
}
