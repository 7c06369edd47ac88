// Connections that are accepted: a returned pointer that is followed. (tcpaccept
// of BCC.)
package trap

//ktrap:ret inet_csk_accept
func accept(made *sock) {
	if made != nil {
		printf("%s accepts at port %d, state %d", comm(), made.__sk_common.skc_num, made.__sk_common.skc_state)
	}
}
