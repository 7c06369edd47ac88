// Page faults by kind: bits of a word as a key of bools. (faults of BCC.)
package trap

// Of enum fault_flag, which 5.10 has as macros.
const (
	write       = 1 << 0
	instruction = 1 << 8
)

type kind struct {
	comm               string
	write, instruction bool
}

var faults map[kind]uint64

//ktrap:pre handle_mm_fault
func fault(flags uint32) {
	faults[kind{comm(), flags&write != 0, flags&instruction != 0}]++
}
