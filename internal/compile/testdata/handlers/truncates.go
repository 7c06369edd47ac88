// Sizes that files are cut or grown to, and space that is set aside.
package trap

var sizes map[string]int64

//ktrap:pre do_truncate
func truncate(dentry *dentry, length int64) {
	sizes[str(dentry.d_name.name, 32)] = length
}

//ktrap:pre vfs_fallocate
func allocate(file *file, mode int32, offset, len int64) {
	printf("%s: mode %d, %d bytes at %d", str(file.f_path.dentry.d_name.name), mode, len, offset)
}
