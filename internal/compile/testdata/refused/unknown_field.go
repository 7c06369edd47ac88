package trap

//ktrap:pre vfs_read
func read(file *file) {
	emit(file.f_poz) // want unknown-field at 12
}
