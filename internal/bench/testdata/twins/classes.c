#include "twin.h"

extern struct { u64 classes[6]; u32 limits[5], digest; } vars VARS;

PROGRAM(write)
{
	u64 count = ARG(2);
	u64 class = 5;
#pragma clang loop unroll(disable)
	for (u64 i = 0; i < 5; i++) {
		if ((u32)count <= vars.limits[i]) {
			class = i;
			break;
		}
	}
	__sync_fetch_and_add(&vars.classes[class], 1);
	u32 h = vars.digest ^ (u32)count;
#pragma clang loop unroll(disable)
	for (int i = 0; i < 4; i++)
		h = (h << 5 | h >> 27) * 0x9e3779b1;
	vars.digest = h ^ (u32)((s16)h >> 3);
	return 0;
}
