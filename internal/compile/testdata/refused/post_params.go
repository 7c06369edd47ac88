package trap

//ktrap:post vfs_read+4
func after(count uint64) { // want context at 12
	emit(count)
}
