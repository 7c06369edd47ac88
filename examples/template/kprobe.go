//go:build ignore

// The kernel-module template for kprobes as a file of handlers: each field of struct
// kprobe, and each function of the module, under its name.
//
//	ktrap run kprobe.go
//	ktrap run kprobe.go --symbol tcp_connect
//	(sleep 5; echo probe=tcp_connect) | ktrap run kprobe.go --stdin
//
// Where the module has .offset or .addr, give them with the symbol: --symbol
// unix_stream_connect+0x5, --symbol 0xffffffff81a2f3c0.
package trap

//ktrap:probe unix_stream_connect

var (
	peek uint64 // an address to read at each hit: --set peek=8 lets handlerFault be called
	hits uint64
)

// handlerPre is called just before the probed instruction is executed. At a function's
// entry di, si, dx, cx, r8 and r9 are the first 6 arguments.
//
//ktrap:pre
func handlerPre(r *regs) {
	hits++
	printf("pre_handler: cpu %d kp %s regs->ip = %pB, flags = %#x", cpu(), place(), r.ip, r.flags)
	if peek != 0 {
		printf("pre_handler: %#x holds %#x", peek, *cast[uint64](peek))
	}
}

// handlerPost is called after the probed instruction is executed, with the registers
// as it left them.
//
//ktrap:post
func handlerPost(r, was *regs) {
	printf("post_handler: cpu %d kp %s regs->ip = %pB, flags = %#x", cpu(), place(), r.ip, r.flags)
}

// handlerRet is called when the function has returned.
//
//ktrap:ret
func handlerRet(r *regs) {
	printf("ret_handler: cpu %d kp %s returned %d", cpu(), place(), int32(retval()))
}

// handlerFault is called when another handler reads what can't be read.
//
//ktrap:fault
func handlerFault(r *regs, t *trap) {
	printf("fault_handler: cpu %d kp %s regs->ip = %pB, trap #%d at %#x", cpu(), place(), r.ip, t.nr, t.addr)
}
