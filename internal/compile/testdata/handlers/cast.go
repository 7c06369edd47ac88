// A pointer of another type than its declaration's: the socket behind a file.
package trap

import "unsafe"

//ktrap:pre sock_poll
func poll(file *file) {
	s := (*socket)(file.private_data)
	emit(s._type, s.state, cast[tcp_sock](s.sk).snd_nxt, uintptr(unsafe.Pointer(s))&0xfff)
}
