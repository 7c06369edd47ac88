// Reads that fail, by the number of their trap: what follows something that may be
// no pointer can be told so.
package trap

var traps map[uint32]uint64

//ktrap:pre __x64_sys_umask
func follow(regs *pt_regs) {
	emit(cast[task_struct](regs.di).pid)
}

//ktrap:fault
func failed(t *trap) {
	traps[t.nr]++
}
