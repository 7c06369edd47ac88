// Connections that are accepted: a returned pointer that is followed. (tcpaccept
// of BCC.)
package trap

//ktrap:ret inet_csk_accept
func accept(sk *sock) {
	if sk != nil {
		printf("%s accepts at port %d, state %d", comm(), sk.__sk_common.skc_num, sk.__sk_common.skc_state)
	}
}
