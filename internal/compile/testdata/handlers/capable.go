// Capabilities that are asked for, by number and by who asks, and the answers: the
// entry tells the question, the return the answer. (capable of BCC.)
package trap

type question struct {
	comm string
	cap  int32
}

var (
	asked   map[question]uint64
	pending map[uint32]int32
	denied  map[int32]uint64
)

//ktrap:pre cap_capable
func ask(cap int32) {
	asked[question{comm(), cap}]++
	pending[tid()] = cap
}

//ktrap:ret cap_capable
func answer(err int32) {
	if cap, ok := pending[tid()]; ok && err != 0 {
		denied[cap]++
	}
	delete(pending, tid())
}
