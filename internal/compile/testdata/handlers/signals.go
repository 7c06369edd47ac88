// Signals that are delivered, by number, and for whom: an enumeration as an
// argument, its constants by name.
package trap

var toThread, toProcess map[int32]uint64

//ktrap:pre do_send_sig_info
func send(sig int32, _type uint32) {
	switch _type {
	case PIDTYPE_PID:
		toThread[sig]++
	case PIDTYPE_TGID:
		toProcess[sig]++
	}
}
