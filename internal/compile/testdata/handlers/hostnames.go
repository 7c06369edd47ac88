// Names that the machine is given: text in the memory of the process, by a saved
// register.
package trap

//ktrap:pre __x64_sys_sethostname
func set(regs *pt_regs) {
	printf("%s: %s", comm(), str(user(cast[int8](regs.di)), 7))
}
