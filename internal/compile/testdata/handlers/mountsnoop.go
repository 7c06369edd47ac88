// Mounts, with their source, kind and flags: text behind pointers of the kernel's.
// (mountsnoop of BCC.)
package trap

//ktrap:pre path_mount
func mount(dev_name *int8, path *path, type_page *int8, flags uint64) {
	printf("%s mounts %s on %s as %s, flags %#x", comm(), str(dev_name), str(path.dentry.d_name.name), str(type_page), flags)
}
