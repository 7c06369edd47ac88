// Bitfields and anonymous unions of a socket.
package trap

//ktrap:pre tcp_connect
func connect(sk *sock) {
	emit(
		sk.__sk_common.skc_daddr, sk.__sk_common.skc_dport, sk.__sk_common.skc_num,
		sk.__sk_common.skc_reuse, sk.__sk_common.skc_ipv6only, sk.__sk_common.skc_state,
		sk.sk_no_check_tx, sk.sk_userlocks, sk.sk_type, sk.sk_protocol,
		sk.__sk_common.skc_prot.name,
	)
}
