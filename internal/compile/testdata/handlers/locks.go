// Locks on files: a struct of the kernel's own copy, with fields of several widths.
package trap

//ktrap:pre fcntl_setlk
func lock(filp *file, cmd uint32, flock *flock) {
	printf("%s: command %d, type %d, %d bytes at %d", str(filp.f_path.dentry.d_name.name), cmd, flock.l_type, flock.l_len, flock.l_start)
}
