package trap

func other() uint64 // want not-go-here at 6

//ktrap:pre vfs_read
func read() {
	emit(other())
}
