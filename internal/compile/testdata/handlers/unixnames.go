// Who connects to which path: text in an array at the end of a struct, behind two
// pointers.
package trap

//ktrap:pre unix_stream_connect
func connect(addr_len int32) {
	to := cast[sockaddr_un](arg(1))
	printf("%s to %s, %d bytes", comm(), to.sun_path, addr_len)
}

//ktrap:pre unix_stream_sendmsg
func send(sock *socket, len uint64) {
	peer := cast[unix_sock](cast[unix_sock](sock.sk).peer)
	printf("%d bytes to %s", len, peer.addr.name[0].sun_path)
}
