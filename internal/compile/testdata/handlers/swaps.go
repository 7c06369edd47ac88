// What one instruction did: the registers before it and after, where a file mode
// mask is exchanged for another.
package trap

var swaps, others uint64

//ktrap:post __x64_sys_umask@insn(^xchg)
func swapped(r, was *regs) {
	if r.ip > was.ip && r.sp == was.sp {
		swaps++
	} else {
		others++
	}
}
