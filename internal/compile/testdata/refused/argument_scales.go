package trap

var all map[uint32]hist

//ktrap:pre vfs_read
func read(count uint64) {
	all[1].add(count)
	all[2].linear(count, 0, 10, 1) // want argument at 9
}
