package trap

var table [4]uint64

//ktrap:pre vfs_read
func read() {
	emit(table[-1]) // want index-range at 13
}
