#include "twin.h"

MAP(tenths);
MAP(rests);
extern struct { u64 fails, all, tenths, rests; } vars VARS;

struct record {
	struct header h;
	s64 n, seventh, rest;
	char comm[16];
};

/* BPF divides without signs before 6.6. */
INLINE s64 divide(s64 x, u64 by)
{
	return x < 0 ? -(s64)(-(u64)x / by) : (u64)x / by;
}

INLINE s64 remainder(s64 x, u64 by)
{
	return x < 0 ? -(s64)(-(u64)x % by) : (u64)x % by;
}

INLINE s32 divide32(s32 x, u32 by)
{
	return x < 0 ? -(s32)(-(u32)x / by) : (u32)x / by;
}

PROGRAM(read)
{
	s64 n = RETVAL;
	__sync_fetch_and_add(&vars.all, 1);
	if (n < 0) {
		__sync_fetch_and_add(&vars.fails, 1);
		struct record *r = reserve(&ring, sizeof(*r), 0);
		if (r) {
			fill(&r->h, 0);
			r->n = n;
			r->seventh = divide(n, 7);
			r->rest = remainder(n, 7);
			get_comm(r->comm, sizeof(r->comm));
			submit(r, NO_WAKEUP);
		}
	}
	s32 tenth = divide32(n, 10);
	sum(&tenths, &tenth, 1, &vars.tenths);
	s8 rest = remainder(n, 100);
	sum(&rests, &rest, 1, &vars.rests);
	return 0;
}
