// Connections that are opened: the address as the program gave it, by a cast of
// what the function has as a general address. (tcpconnect of BCC.)
package trap

//ktrap:pre tcp_v4_connect
func connect() {
	to := cast[sockaddr_in](arg(1))
	a := to.sin_addr.s_addr
	printf("%s to %d.%d.%d.%d port %d", comm(), a&0xff, a>>8&0xff, a>>16&0xff, a>>24, swap(to.sin_port))
}

// swap is ntohs.
func swap(n uint16) uint16 { return n<<8 | n>>8 }
