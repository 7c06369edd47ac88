// Round-trip times as the kernel smooths them, in a histogram of microseconds for
// each remote address. (tcprtt of BCC.)
package trap

var micros map[uint32]hist

//ktrap:pre tcp_rcv_established
func receive(sk *sock) {
	micros[sk.__sk_common.skc_daddr].add(cast[tcp_sock](sk).srtt_us >> 3)
}
