package trap

//ktrap:pre vfs_read
func read(file *file) {
	emit(file.f_inode.i_inode) // want unknown-field at 20
}
