package trap

var pair [2]stat // want value-size at 5

//ktrap:pre vfs_read
func read() {}
