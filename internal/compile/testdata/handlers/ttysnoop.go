// What is written to pseudo terminals: argument registers, for the types of these
// parameters change from kernel to kernel. (ttysnoop of BCC.)
package trap

//ktrap:pre pty_write
func write() {
	printf("%d bytes: %s", uint32(arg(2)), str(arg(1), 8))
}
