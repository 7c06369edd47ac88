#include "twin.h"

MAP(sends);
extern struct { u64 least, other; } vars VARS;

struct key {
	char comm[16];
	u16 port;
};

struct record {
	struct header h;
	u32 pid;
	u64 size;
	s64 stack_size;
	u64 stack[64];
};

PROGRAM(send)
{
	struct sock *sk = (void *)ARG(0);
	u64 size = ARG(2);
	if (size <= vars.least)
		return 0;
	struct key key = {};
	get_comm(key.comm, sizeof(key.comm));
	key.port = READ(sk->__sk_common.skc_dport);
	sum(&sends, &key, 1, &vars.other);
	struct record *r = reserve(&ring, sizeof(*r), 0);
	if (!r)
		return 0;
	fill(&r->h, 0);
	r->pid = pid_tgid() >> 32;
	r->size = size;
	r->stack_size = get_stack(ctx, r->stack, sizeof(r->stack), 0);
	submit(r, NO_WAKEUP);
	return 0;
}
