package trap

var size uint64

//ktrap:pre vfs_read
func begin(count uint64) { size = count }

//ktrap:fault vfs_write
func failed(t *trap) { // want handler-name at 6
	emit(t.addr)
}
