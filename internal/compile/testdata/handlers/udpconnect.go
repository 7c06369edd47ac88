// Datagram sockets that are given a peer, and datagrams by size. (udpconnect of
// BCC.)
package trap

var sizes hist

//ktrap:pre __ip4_datagram_connect
func connect(sk *sock) {
	port := cast[sockaddr_in](arg(1)).sin_port
	printf("%s to port %d, type %d", comm(), port<<8|port>>8, sk.sk_type)
}

//ktrap:pre udp_sendmsg
func send(len uint64) {
	if comm() == "corpus" {
		sizes.add(len)
	}
}
