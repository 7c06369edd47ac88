// TCP connections that this machine opens: to which port and address, and how long
// the handshake took.
package handlers

type attempt struct {
	at uint64
	by string
}

var (
	attempts   map[*sock]attempt
	handshakes map[uint16]stat // by port, in microseconds
)

//ktrap:pre tcp_connect
func connectBegins(sk *sock) { attempts[sk] = attempt{nsecs(), comm()} }

//ktrap:pre tcp_finish_connect
func connectEnds(sk *sock) {
	a, ok := attempts[sk]
	if !ok {
		return
	}
	delete(attempts, sk)
	took := (nsecs() - a.at) / 1000
	port := swapped(sk.__sk_common.skc_dport)
	handshakes[port].add(took)
	ip := sk.__sk_common.skc_daddr
	printf("%s to %d.%d.%d.%d port %d: %d us", a.by, ip&0xff, ip>>8&0xff, ip>>16&0xff, ip>>24, port, took)
}

// connectGone forgets attempts that came to nothing.
//
//ktrap:pre tcp_v4_destroy_sock
func connectGone(sk *sock) { delete(attempts, sk) }

// swapped is ntohs.
func swapped(n uint16) uint16 { return n<<8 | n>>8 }
