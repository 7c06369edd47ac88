// What is written to event counters: a number in the memory of the process.
package trap

var total uint64

//ktrap:pre eventfd_write
func write(buf *int8) {
	if comm() == "corpus" {
		total += *user(cast[uint64](buf))
	}
}
