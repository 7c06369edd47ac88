#include "twin.h"

MAP(systems);
MAP(inodes);
MAP(parents);
extern struct { u64 _, systems, inodes; u32 parents; } vars VARS;

struct record {
	struct header h;
	s32 pid, parent;
	u64 inode;
	s64 size;
	u32 flags;
	char name[32] __attribute__((aligned(8)));
};

PROGRAM(read)
{
	struct file *file = (void *)ARG(0);
	u64 count = ARG(2);
	struct dentry *d = READ(file->f_path.dentry);
	struct task_struct *t = CURRENT;

	struct super_block *sb = READ(d->d_sb);
	struct file_system_type *type = READ(sb->s_type);
	char system[16] = {};
	probe_read_str(system, sizeof(system), READ(type->name));
	sum(&systems, system, 1, &vars.systems);

	struct inode *i = READ(d->d_inode);
	u64 inode = READ(i->i_ino);
	sum(&inodes, &inode, count, &vars.inodes);

	s32 pid = READ(t->tgid);
	struct task_struct *p = READ(t->real_parent);
	s32 parent = READ(p->tgid);
	map_update(&parents, &pid, &parent, 0);

	struct record *r = reserve(&ring, sizeof(*r), 0);
	if (!r)
		return 0;
	fill(&r->h, 0);
	r->pid = pid;
	r->parent = parent;
	r->inode = inode;
	r->size = READ(i->i_size);
	r->flags = READ(file->f_flags);
	probe_read_str(r->name, sizeof(r->name), READ(d->d_name.name));
	submit(r, NO_WAKEUP);
	return 0;
}
