// Reads and writes by file: how many, how many bytes. (filetop of BCC.)
package trap

type file_of struct {
	pid  uint32
	comm string
	name string `size:"32"`
}

var reads, writes map[file_of]stat

//ktrap:pre vfs_read
func read(file *file, count uint64) {
	reads[file_of{pid(), comm(), str(file.f_path.dentry.d_name.name, 32)}].add(count)
}

//ktrap:pre vfs_write
func write(file *file, count uint64) {
	writes[file_of{pid(), comm(), str(file.f_path.dentry.d_name.name, 32)}].add(count)
}
