// How full the queues of listening sockets are when a connection comes, by their
// size. (tcpsynbl of bpftrace.)
package trap

var backlog map[uint32]hist

//ktrap:pre tcp_v4_syn_recv_sock
func request(sk *sock) { backlog[sk.sk_max_ack_backlog].add(sk.sk_ack_backlog) }
