// Extended attributes that are set, with their first bytes: a void pointer that is
// read as text.
package trap

//ktrap:pre __vfs_setxattr_noperm
func set(dentry *dentry, name *int8, size uint64) {
	printf("%s: %s, %d bytes", str(dentry.d_name.name), str(name), size)
}
