// What is done to epoll's sets: an array of counts under names.
package trap

const (
	add = 1 + iota
	del
	mod
)

var done [4]uint64

//ktrap:pre do_epoll_ctl
func control(op, fd int32) {
	if comm() != "corpus" {
		return
	}
	switch op {
	case add, del, mod:
		done[op]++
	default:
		done[0]++
		printf("operation %d on %d", op, fd)
	}
}
