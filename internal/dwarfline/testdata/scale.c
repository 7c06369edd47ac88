#include "square.h"

int scale(int x)
{
	if (x > 10)
		return square(x) + 1;
	return x;
}
