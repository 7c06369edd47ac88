// Where a read goes: the file's name through three pointers, the inode's number,
// the filesystem's name.
package trap

type where struct {
	fs   string
	name string `size:"32"`
}

var reads map[where]uint64

//ktrap:pre vfs_read
func read(file *file, count uint64) {
	d := file.f_path.dentry
	reads[where{str(d.d_sb.s_type.name), str(d.d_name.name)}] += count
	if d.d_inode.i_size > 1<<20 {
		emit(d.d_inode.i_ino, d.d_inode.i_size, str(d.d_name.name, 32))
	}
}
