package trap

var count map[uint64]uint64

//ktrap:pre vfs_read
func read() {
	m := count // want map-use at 7
	m[1]++
}
