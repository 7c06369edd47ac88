package trap

var count map[uint64]uint64

//ktrap:pre vfs_read
func read() {
	for k := range count { // want map-use at 17
		emit(k)
	}
}
