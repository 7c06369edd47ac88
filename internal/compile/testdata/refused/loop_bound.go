package trap

//ktrap:pre vfs_read
func read() {
	for i := 0; i < 1000000; i++ { // want loop-bound at 2
		emit(i)
	}
}
