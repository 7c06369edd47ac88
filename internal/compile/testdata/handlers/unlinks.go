// Files that are removed, renamed and made: parameters by their names, which have
// other positions on each kernel.
package trap

//ktrap:pre vfs_unlink
func unlink(dentry *dentry) {
	printf("%s removes %s", comm(), str(dentry.d_name.name))
}

//ktrap:pre vfs_rename
func rename(rd *renamedata) {
	printf("%s renames %s to %s", comm(), str(rd.old_dentry.d_name.name), str(rd.new_dentry.d_name.name))
}

//ktrap:pre vfs_mkdir
func mkdir(dentry *dentry, mode uint16) {
	printf("%s makes %s, mode %#o", comm(), str(dentry.d_name.name), mode)
}

//ktrap:pre vfs_symlink
func symlink(dentry *dentry, oldname *int8) {
	printf("%s links %s to %s", comm(), str(dentry.d_name.name), str(oldname))
}
