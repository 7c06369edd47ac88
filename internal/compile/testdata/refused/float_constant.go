package trap

//ktrap:pre vfs_read
func read() {
	const half, two = 0.5, 0.5 * 4
	emit(int(two))
	emit(half) // want float at 7
}
