// Sockets that begin to listen, and how long their queues may be. (solisten of
// BCC.)
package trap

//ktrap:pre inet_listen
func listen(sock *socket, backlog int32) {
	printf("%s listens at port %d, state %d, backlog %d", comm(), sock.sk.__sk_common.skc_num, sock.state, backlog)
}
