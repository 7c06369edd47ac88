// Ports that sockets are bound to, and by which protocol. (bindsnoop of BCC.)
package trap

//ktrap:pre inet_csk_get_port
func bind(sk *sock, snum uint16) {
	printf("%s binds %s port %d, reuse %d", comm(), sk.__sk_common.skc_prot.name, snum, sk.__sk_common.skc_reuse)
}
