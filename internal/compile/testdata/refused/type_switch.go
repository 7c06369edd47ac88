package trap

var x any

//ktrap:pre vfs_read
func read() {
	switch x.(type) { // want interface at 2
	}
}
