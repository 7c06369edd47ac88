package trap

var count = map[uint64]uint64{1: 2} // want global-init at 13

//ktrap:pre vfs_read
func read() {
	count[1]++
}
