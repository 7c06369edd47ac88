// Advice on memory, in pages by kind of advice: a system call's arguments, which
// it is given in the registers of the process.
package trap

var pages map[int32]uint64

//ktrap:pre __x64_sys_madvise
func advise() {
	if comm() != "corpus" {
		return
	}
	regs := cast[pt_regs](arg(0))
	pages[int32(regs.dx)] += (regs.si + 4095) / 4096
}
