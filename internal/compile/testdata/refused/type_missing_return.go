package trap

func one() uint64 {
} // want type at 1

//ktrap:pre vfs_read
func read() {
	emit(one())
}
