package trap

//ktrap:pre vfs_read
func read() {
	f := func() uint64 { return 1 } // want closure at 7
	emit(f())
}
