static inline __attribute__((always_inline)) int square(int x)
{
	volatile int y = x;
	return y * y + x;
}
