// Which programs wait for pages, and whether to read or to write them; and where in
// the program the most of it happens.
package handlers

const writes = 1 // FAULT_FLAG_WRITE

type paging struct {
	by    string
	write bool
}

var (
	faults     map[paging]uint64
	faultsFrom map[stack]uint64
)

//ktrap:pre handle_mm_fault
func pageFaults(flags uint32) {
	faults[paging{comm(), flags&writes != 0}]++
	faultsFrom[ustack()]++
}
