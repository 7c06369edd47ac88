// Memory that is mapped: of files by their names, else anonymous; a nil pointer is
// followed safely.
package trap

type mapping struct {
	name string `size:"32"`
	prot uint64
}

var bytes map[mapping]uint64

//ktrap:pre do_mmap
func mmap(file *file, len, prot uint64) {
	if comm() == "corpus" {
		bytes[mapping{str(file.f_path.dentry.d_name.name, 32), prot}] += len
	}
}
