// Registers in the middle of a function.
package trap

//ktrap:pre vfs_read+0x10
func middle(r *regs) {
	if r.di != 0 {
		emit(r.ip, r.sp, r.ax, r.di)
	}
}
