#include "twin.h"

MAP(begun);
MAP(micros);

PROGRAM(begin)
{
	u64 now = ktime();
	u32 tid = pid_tgid();
	map_update(&begun, &tid, &now, 0);
	return 0;
}

PROGRAM(end)
{
	u32 tid = pid_tgid();
	u64 *t = map_lookup(&begun, &tid);
	if (!t)
		return 0;
	u64 from = *t;
	count(&micros, (ktime() - from) / 1000);
	map_delete(&begun, &tid);
	return 0;
}
