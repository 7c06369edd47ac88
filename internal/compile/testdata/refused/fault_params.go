package trap

//ktrap:pre vfs_read
func begin(file *file) { emit(file.f_pos) }

//ktrap:fault
func failed(file *file) { // want context at 13
	emit(file)
}
