// Programs being started with their arguments: an array of pointers in the memory
// of the process, each to text there. (execsnoop of BCC.)
package trap

//ktrap:pre __x64_sys_execve
func exec(regs *pt_regs) {
	if comm() != "corpus" {
		return
	}
	printf("%s", str(user(cast[int8](regs.di))))
	argv := regs.si
	for i := 0; i < 8; i++ {
		arg := *user(cast[uint64](argv))
		if arg == 0 {
			break
		}
		printf("argument %d is %s", i, str(user(cast[int8](arg))))
		argv += 8
	}
}
