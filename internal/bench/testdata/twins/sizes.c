#include "twin.h"

MAP(sizes);

PROGRAM(read)
{
	count(&sizes, ARG(2));
	return 0;
}
