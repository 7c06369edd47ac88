// Shared memory of System V. (shmsnoop of BCC.)
package trap

//ktrap:pre __x64_sys_shmget
func get() {
	regs := cast[pt_regs](arg(0))
	printf("shmget %#x, %d bytes, flags %#o", regs.di, regs.si, regs.dx)
}

//ktrap:ret __x64_sys_shmget
func got(id int64) { printf("shmget returns %t", id >= 0) }

//ktrap:pre do_shmat
func attach(shmflg int32) { printf("shmat flags %#o", shmflg) }
