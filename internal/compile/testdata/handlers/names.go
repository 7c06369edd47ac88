// Names of variables that ktrap has for things of its own: what a file calls its maps
// is its own affair.
package trap

var (
	counts, state, out, unarmed, done map[uint64]uint64
	ring                              uint64
	n, n_other                        map[uint64]uint64
)

//ktrap:pre __x64_sys_umask
func slots() {
	counts[1]++
	state[1]++
	out[1]++
	unarmed[1]++
	done[1]++
	ring++
	n[1]++
	n_other[2]++
}
