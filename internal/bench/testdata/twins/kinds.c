#include "twin.h"

MAP(owned);
extern struct { u64 kinds[8], owned; } vars VARS;

PROGRAM(read)
{
	struct file *file = (void *)ARG(0);
	struct inode *i = READ(file->f_inode);
	u16 mode = READ(i->i_mode);
	u64 kind;
	switch (mode & 0xf000) {
	case 0x8000: kind = 0; break;
	case 0x4000: kind = 1; break;
	case 0x2000: kind = 2; break;
	case 0x6000: kind = 3; break;
	case 0x1000: kind = 4; break;
	case 0xc000: kind = 5; break;
	case 0xa000: kind = 6; break;
	default: kind = 7;
	}
	__sync_fetch_and_add(&vars.kinds[kind], 1);
	if (READ(i->i_nlink) == 0 || (mode & 0111 && READ(i->i_size) > 1 << 20)) {
		u32 owner = READ(i->i_uid.val);
		sum(&owned, &owner, 1, &vars.owned);
	}
	return 0;
}
