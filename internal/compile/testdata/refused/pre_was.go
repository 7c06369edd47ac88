package trap

//ktrap:pre vfs_read+4
func begin(r, was *regs) { // want context at 15
	emit(r.ax, was.ax)
}
