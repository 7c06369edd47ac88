// A socket behind a file, by casts; the least and the greatest of a number; a
// function with two results; a printed line.
package trap

type span struct {
	least, most uint32
	seen        bool
}

var (
	window span
	states map[uint8]uint64
)

//ktrap:pre sock_poll
func poll(file *file) {
	s := (*socket)(file.private_data)
	tp := cast[tcp_sock](s.sk)
	states[s.sk.__sk_common.skc_state]++
	if s.sk.__sk_common.skc_state == 1 {
		window.least, window.most = around(tp.snd_wnd)
		window.seen = true
		printf("%s sends from %d to %d, %d in flight", comm(), tp.snd_una, tp.snd_nxt, tp.snd_nxt-tp.snd_una)
	}
}

func around(n uint32) (uint32, uint32) {
	if !window.seen {
		return n, n
	}
	return min(window.least, n), max(window.most, n)
}
