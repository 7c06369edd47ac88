package trap // want no-handler at 9

func twice(n uint64) uint64 {
	return 2 * n
}
