package trap

//ktrap:pre vfs_read
func pre(file *file) {
	p := &file.f_open // want bitfield at 7
	_ = p
}
