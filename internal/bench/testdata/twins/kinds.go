// What kind of file is read: a switch over a mode, numbers in an array.
package trap

var (
	kinds [8]uint64
	owned map[uint32]uint64
)

//ktrap:pre vfs_read
func read(file *file) {
	i := file.f_inode
	kind := 7
	switch i.i_mode & 0xf000 {
	case 0x8000:
		kind = 0
	case 0x4000:
		kind = 1
	case 0x2000:
		kind = 2
	case 0x6000:
		kind = 3
	case 0x1000:
		kind = 4
	case 0xc000:
		kind = 5
	case 0xa000:
		kind = 6
	}
	kinds[kind]++
	if i.i_nlink == 0 || i.i_mode&0o111 != 0 && i.i_size > 1<<20 {
		owned[i.i_uid.val]++
	}
}
