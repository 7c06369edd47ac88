package trap

type key struct {
	port, pid uint32
}

//ktrap:pre vfs_read
func read() {
	k := key{1, 2}
	emit(k.portt) // want unknown-field at 9
}
