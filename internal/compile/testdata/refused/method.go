package trap

type key struct{ a uint64 }

func (k key) twice() uint64 { // want method at 1
	return 2 * k.a
}

//ktrap:pre vfs_read
func read() {
	emit(1)
}
