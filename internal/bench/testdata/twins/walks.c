#include "twin.h"

MAP(depths);
MAP(ages);
extern struct { u64 _, depths, ages; } vars VARS;

PROGRAM(read)
{
	struct file *file = (void *)ARG(0);
	struct dentry *d = READ(file->f_path.dentry);
	u32 depth;
#pragma clang loop unroll(disable)
	for (depth = 0; depth < 16; depth++) {
		struct dentry *up = READ(d->d_parent);
		if (up == d)
			break;
		d = up;
	}
	sum(&depths, &depth, 1, &vars.depths);

	struct task_struct *t = CURRENT;
	u32 age;
#pragma clang loop unroll(disable)
	for (age = 0; age < 16 && READ(t->tgid) > 1; age++)
		t = READ(t->real_parent);
	sum(&ages, &age, 1, &vars.ages);
	return 0;
}
