// What programs ask of filesystems, by kind: five probes of one file count into
// its variables. (vfsstat of BCC.)
package trap

var reads, writes, fsyncs, opens, creates uint64

//ktrap:pre vfs_read
func read() {
	if comm() == "corpus" {
		reads++
	}
}

//ktrap:pre vfs_write
func write() {
	if comm() == "corpus" {
		writes++
	}
}

//ktrap:pre vfs_fsync_range
func fsync() {
	if comm() == "corpus" {
		fsyncs++
	}
}

//ktrap:pre vfs_open
func open() {
	if comm() == "corpus" {
		opens++
	}
}

//ktrap:pre security_inode_create
func create() {
	if comm() == "corpus" {
		creates++
	}
}
