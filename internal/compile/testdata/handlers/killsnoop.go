// Signals that processes send: a system call's arguments, which the kernel keeps
// in its saved registers, printed by a format. (killsnoop of BCC.)
package trap

//ktrap:pre __x64_sys_kill
func kill(regs *pt_regs) {
	printf("%s sends %d to %d", comm(), regs.si, int32(regs.di))
}
