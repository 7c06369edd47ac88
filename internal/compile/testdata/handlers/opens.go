// Files being opened: the name in user memory, the flags, who asks.
package trap

//ktrap:pre do_sys_openat2
func open(dfd int32, filename *int8, how *open_how) {
	emit(pid(), comm(), str(user(filename)), how.flags, how.mode)
}
