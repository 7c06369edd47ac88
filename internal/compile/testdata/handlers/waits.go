// How long parents wait for their children, by what they wait for: any, or one.
package trap

var (
	since  map[uint32]uint64
	millis map[bool]hist
	forAny map[uint32]bool
)

//ktrap:pre kernel_wait4
func begin(upid int32) {
	since[tid()] = nsecs()
	forAny[tid()] = upid == -1
}

//ktrap:ret kernel_wait4
func end() {
	t, ok := since[tid()]
	if ok && comm() == "corpus" {
		millis[forAny[tid()]].add((nsecs() - t) / 1e6)
	}
	delete(since, tid())
	delete(forAny, tid())
}
