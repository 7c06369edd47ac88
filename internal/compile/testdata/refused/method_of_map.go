package trap

var all map[uint32]stat

//ktrap:pre vfs_read
func read() {
	all.add(1) // want unknown-field at 6
}
