// The states of connections as they change: from what is in memory, to what comes
// as an argument; enumerators in a table of counts. (tcpstates of BCC.)
package trap

type change struct {
	from uint8
	to   int32
}

var (
	changes     map[change]uint64
	established uint64
)

//ktrap:pre tcp_set_state
func state(sk *sock, state int32) {
	changes[change{sk.__sk_common.skc_state, state}]++
	if state == TCP_ESTABLISHED {
		established++
	}
}
