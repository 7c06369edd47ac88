// Eleven fields of a socket: bitfields, anonymous unions, a nested struct.
package trap

//ktrap:pre tcp_connect
func connect(sk *sock) {
	emit(
		sk.__sk_common.skc_daddr, sk.__sk_common.skc_rcv_saddr, sk.__sk_common.skc_dport, sk.__sk_common.skc_num,
		sk.__sk_common.skc_family, sk.__sk_common.skc_state, sk.__sk_common.skc_reuse, sk.__sk_common.skc_ipv6only,
		sk.sk_userlocks, sk.sk_type, sk.sk_protocol,
	)
}
