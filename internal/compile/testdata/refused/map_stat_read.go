package trap

var all map[uint32]stat

//ktrap:pre vfs_read
func read() {
	emit(all[1]) // want map-use at 7
}
