package trap

var c uint64

//ktrap:pre vfs_read
func read() {
	c <- 1 // want channel at 2
}
