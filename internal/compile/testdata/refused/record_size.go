package trap

//ktrap:pre vfs_read
func pre(buf *int8) {
	emit(str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255), str(buf, 255)) // want record-size at 2
}
