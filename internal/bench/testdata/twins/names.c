#include "twin.h"

extern struct { u64 shells, others, logs[4]; } vars VARS;

/* equal compares by words: clang makes of memcmp a call of what BPF does not have. */
#define WORD(type) \
	if (size >= sizeof(type)) { \
		if (*(type *)text != *(type *)constant) \
			return 0; \
		text += sizeof(type), constant += sizeof(type), size -= sizeof(type); \
	}

INLINE bool equal(const char *text, const char *constant, u32 size)
{
	WORD(u64) WORD(u64) WORD(u32) WORD(u16) WORD(u8)
	return 1;
}

#define EQUAL(text, constant) equal(text, constant, sizeof(constant))

PROGRAM(write)
{
	struct file *file = (void *)ARG(0);
	u64 count = ARG(2);
	char comm[16] __attribute__((aligned(8)));
	get_comm(comm, sizeof(comm));
	if (!EQUAL(comm, "bash") && !EQUAL(comm, "systemd-journal")) {
		__sync_fetch_and_add(&vars.others, 1);
		return 0;
	}
	__sync_fetch_and_add(&vars.shells, 1);
	struct dentry *d = READ(file->f_path.dentry);
	char name[64] __attribute__((aligned(8)));
	probe_read_str(name, sizeof(name), READ(d->d_name.name));
	if (EQUAL(name, "syslog"))
		__sync_fetch_and_add(&vars.logs[0], count);
	else if (EQUAL(name, "auth.log"))
		__sync_fetch_and_add(&vars.logs[1], count);
	else if (EQUAL(name, "history"))
		__sync_fetch_and_add(&vars.logs[2], count);
	else
		__sync_fetch_and_add(&vars.logs[3], 1);
	return 0;
}
