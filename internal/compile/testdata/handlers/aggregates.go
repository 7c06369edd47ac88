package trap

type key struct {
	comm string
	at   point
}

// What is added up by keys: counts, sums with least and greatest, histograms.
var (
	calls  map[key]uint64
	bytes  map[string]stat
	sizes  map[uint32]hist
	coarse map[uint32]hist
	all    stat
	steps  hist
)

//ktrap:pre vfs_read
func read(count uint64) {
	calls[key{comm(), place()}]++
	bytes[comm()].add(count)
	sizes[pid()].add(count)
	coarse[pid()].linear(count, 0, 65536, 4096)
	all.add(count)
	steps.linear(count, 0, 1000, 10)
	emit(place(), count)
}

//ktrap:ret vfs_read
func done(n int64) {
	all.add(n)
	steps.linear(n, 0, 1000, 10)
	sizes[pid()].add(n)
}
