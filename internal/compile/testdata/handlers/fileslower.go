// Reads that take longer than a variable says, which can be set when the file is
// run: the entry is kept by thread until the return. (fileslower of BCC.)
package trap

type begun struct {
	at   uint64
	file *file
	size uint64
}

var (
	least uint64 = 10_000_000 // nanoseconds
	reads map[uint32]begun
)

//ktrap:pre vfs_read
func begin(file *file, count uint64) {
	reads[tid()] = begun{nsecs(), file, count}
}

//ktrap:ret vfs_read
func end(n int64) {
	r, ok := reads[tid()]
	if !ok {
		return
	}
	delete(reads, tid())
	if took := nsecs() - r.at; took >= least {
		printf("%s read %d of %d bytes of %s", comm(), n, r.size, str(r.file.f_path.dentry.d_name.name))
	}
}
