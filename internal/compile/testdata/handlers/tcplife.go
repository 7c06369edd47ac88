// How long connections live and how much they carry: a map keyed by a pointer,
// whose values are structs. (tcplife of BCC.)
package trap

type life struct {
	born uint64
	port uint16
}

var (
	lives  map[*sock]life
	millis hist
)

//ktrap:pre tcp_set_state
func state(sk *sock, state int32) {
	switch state {
	case TCP_ESTABLISHED:
		lives[sk] = life{nsecs(), sk.__sk_common.skc_num}
	case TCP_CLOSE:
		l, ok := lives[sk]
		if !ok {
			return
		}
		delete(lives, sk)
		millis.add((nsecs() - l.born) / 1e6)
		tcp := cast[tcp_sock](sk)
		printf("port %d received %d and sent %d bytes", l.port, tcp.bytes_received, tcp.bytes_acked)
	}
}
