// Who sends more than a page at a time: a filter, a count by program, a histogram,
// and a record with the kernel's stack.
package trap

type key struct {
	comm string
	port uint16
}

var (
	count map[key]uint64
	bytes hist
	total uint64
)

//ktrap:pre tcp_sendmsg
func send(sk *sock, size uint64) {
	total += size
	if size > 1000 {
		count[key{comm(), sk.__sk_common.skc_dport}]++
		bytes.add(size)
		emit(pid(), size, kstack())
	}
}
