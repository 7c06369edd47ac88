package trap

var sizes hist

//ktrap:pre vfs_read
func read() {
	sizes.add(comm()) // want argument at 12
}
