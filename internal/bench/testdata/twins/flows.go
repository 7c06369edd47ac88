// Bytes by both ends of a connection, a struct as a key.
package trap

type flow struct {
	from, to   uint32
	port, peer uint16
	family     uint16
	mark       uint8
}

var bytes map[flow]uint64

//ktrap:pre tcp_sendmsg
func send(sk *sock, size uint64) {
	if sk.__sk_common.skc_family != 2 {
		return
	}
	bytes[flow{
		from: sk.__sk_common.skc_rcv_saddr, to: sk.__sk_common.skc_daddr,
		port: sk.__sk_common.skc_num, peer: sk.__sk_common.skc_dport,
		family: 2, mark: sk.__sk_common.skc_state,
	}] += size
}
