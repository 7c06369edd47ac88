// Threads and processes that are made: flags of a struct, told apart by a switch
// without a tag.
package trap

var made map[string]uint64

//ktrap:pre kernel_clone
func clone(args *kernel_clone_args) {
	if comm() != "corpus" {
		return
	}
	const vm, thread = 0x100, 0x10000
	switch f := args.flags; {
	case f&thread != 0:
		made["threads"]++
	case f&vm != 0:
		made["processes in the same memory"]++
	case args.exit_signal == 17:
		made["processes"]++
	default:
		made["other"]++
	}
}
