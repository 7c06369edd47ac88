// Permissions and owners that are changed.
package trap

//ktrap:pre chmod_common
func chmod(path *path, mode uint16) {
	printf("%s: mode %#o, was %#o", str(path.dentry.d_name.name), mode&0o7777, path.dentry.d_inode.i_mode&0o7777)
}

//ktrap:pre chown_common
func chown(path *path, user, group uint32) {
	printf("%s: owner %d, group %d", str(path.dentry.d_name.name), int32(user), int32(group))
}
