// What is sent once more, with the state of the connection. (tcpretrans of BCC.)
package trap

//ktrap:pre tcp_retransmit_skb
func again(sk *sock, segs int32) {
	printf("port %d, state %d, %d segments", sk.__sk_common.skc_num, sk.__sk_common.skc_state, segs)
}
