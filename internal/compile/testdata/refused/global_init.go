package trap

var x = pid() // want global-init at 9

//ktrap:pre vfs_read
func read() {
	emit(x)
}
