// Files whose writing to disk takes long: who waited, for which file, how long; and
// how long all of them took.
package handlers

var (
	slowest  uint64 = 10_000_000 // nanoseconds
	fsyncs   hist
	fsyncing stat
)

//ktrap:pre vfs_fsync_range
func fsyncBegins() uint64 { return nsecs() }

//ktrap:ret vfs_fsync_range
func fsyncEnds(began uint64, file *file, rv int32) {
	took := nsecs() - began
	fsyncs.add(took / 1000)
	fsyncing.add(took)
	if took >= slowest {
		printf("%s waited %d us for %s: %d", comm(), took/1000, str(file.f_path.dentry.d_name.name), rv)
	}
}
