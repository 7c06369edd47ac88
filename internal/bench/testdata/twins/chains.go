// Chains of pointers from a file and from the thread, three maps, six fields.
package trap

var (
	systems map[string]uint64
	inodes  map[uint64]uint64
	parents map[int32]int32
)

//ktrap:pre vfs_read
func read(file *file, count uint64) {
	d := file.f_path.dentry
	t := current()
	systems[str(d.d_sb.s_type.name, 16)]++
	inodes[d.d_inode.i_ino] += count
	parents[t.tgid] = t.real_parent.tgid
	emit(t.tgid, t.real_parent.tgid, d.d_inode.i_ino, d.d_inode.i_size, file.f_flags, str(d.d_name.name, 32))
}
