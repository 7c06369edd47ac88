// Bytes sent and received by program: two sides in one struct of a map, which is
// read, changed and written back. (tcptop of BCC.)
package trap

type sides struct {
	sent, received uint64
}

var bytes map[string]sides

//ktrap:pre tcp_sendmsg
func send(size uint64) {
	s := bytes[comm()]
	s.sent += size
	bytes[comm()] = s
}

//ktrap:pre tcp_cleanup_rbuf
func receive(copied int32) {
	if copied <= 0 {
		return
	}
	s := bytes[comm()]
	s.received += uint64(copied)
	bytes[comm()] = s
}
