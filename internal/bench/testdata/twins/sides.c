#include "twin.h"

MAP(by);

struct sides {
	u64 calls, bytes;
	u32 most;
};

PROGRAM(write)
{
	u64 count = ARG(2);
	u32 uid = uid_gid();
	struct sides s = {};
	__builtin_memset(&s, 0, sizeof(s));
	struct sides *have = map_lookup(&by, &uid);
	if (have)
		__builtin_memcpy(&s, have, sizeof(s));
	s.calls++;
	s.bytes += count;
	if ((u32)count > s.most)
		s.most = count;
	map_update(&by, &uid, &s, 0);
	return 0;
}
