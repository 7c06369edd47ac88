package trap

var all, more map[uint32]hist

//ktrap:pre vfs_read
func read() {
	all[1] = more[2] // want map-use at 11
}
