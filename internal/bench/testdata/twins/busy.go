// A filter, a count by program and port, and a record with the kernel's stack.
package trap

type key struct {
	comm string
	port uint16
}

var (
	least uint64
	sends map[key]uint64
)

//ktrap:pre tcp_sendmsg
func send(sk *sock, size uint64) {
	if size > least {
		sends[key{comm(), sk.__sk_common.skc_dport}]++
		emit(pid(), size, kstack())
	}
}
