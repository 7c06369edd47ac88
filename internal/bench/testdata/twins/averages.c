#include "twin.h"

MAP(sizes);
extern struct map sizes_other __asm__("sizes.other"); /* what found no room in sizes */

struct summary {
	u64 count, sum, up, down;
};

extern struct { u64 _; struct summary zeros; } vars VARS;

PROGRAM(write)
{
	u64 count = ARG(2);
	char comm[16] = {};
	get_comm(comm, sizeof(comm));
	struct summary *s = map_lookup(&sizes, comm);
	if (!s) {
		map_update(&sizes, comm, &vars.zeros, NOEXIST);
		s = map_lookup(&sizes, comm);
		if (!s) {
			u32 first = 0;
			s = map_lookup(&sizes_other, &first);
			if (!s)
				return 0;
		}
	}
	__sync_fetch_and_add(&s->count, 1);
	__sync_fetch_and_add(&s->sum, count);
	u64 up = count ^ 1UL << 63, down = ~up;
	if (up > s->up)
		s->up = up;
	if (down > s->down)
		s->down = down;
	return 0;
}
