package trap

//ktrap:pre vfs_read
func pre(file *file) {
	i := *file.f_inode // want not-go-here at 2
	emit(i.i_ino)
}
