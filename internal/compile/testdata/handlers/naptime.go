// How long programs ask to sleep: a signed count of nanoseconds as a histogram of
// milliseconds, and its sum. (naptime of bpftrace.)
package trap

var (
	millis hist
	total  int64
)

//ktrap:pre hrtimer_nanosleep
func nap(rqtp int64) {
	if comm() == "corpus" {
		millis.add(rqtp / 1e6)
		total += rqtp
	}
}
