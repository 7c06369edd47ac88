package trap

// Most of what a handler may do, run as Go and in interp: the same must come of it.

type key struct {
	comm string
	kind uint16
}

var (
	least uint64 = 100
	calls map[key]uint64
	last  map[uint32]int64
	sizes hist
	spans stat
	total uint64
	open  uint32
)

func kind(mode uint16) uint16 {
	switch mode >> 12 {
	case 4:
		return 'd'
	case 8:
		return 'f'
	}
	return '?'
}

//ktrap:pre vfs_read
func read(file *file, buf *int8, count uint64, pos *int64) {
	if count < least {
		return
	}
	calls[key{comm(), kind(file.f_inode.i_mode)}]++
	if at, ok := last[pid()]; ok {
		spans.add(file.f_pos - at)
	}
	last[pid()] = file.f_pos
	sizes.add(count)
	parts := [4]uint64{count, 1, 2, 3}
	for i, n := range parts {
		parts[3] = 1 << 40 // of what is ranged over, this is a copy
		if i == 2 {
			continue
		}
		total += n
	}
	open += uint32(file.f_open)
	for i, bit := range [3]int64{1, 2, 4} {
		if *pos&bit != 0 {
			emit(tid(), i, str(buf, 8), file.f_inode.i_ino, comm())
			break
		}
	}
}
