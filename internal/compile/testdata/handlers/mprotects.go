// Memory whose protection changes, as letters.
package trap

//ktrap:pre do_mprotect_pkey
func protect(len, prot uint64) {
	if comm() == "corpus" {
		printf("%d bytes %c%c%c", len, letter(prot&1 != 0, 'r'), letter(prot&2 != 0, 'w'), letter(prot&4 != 0, 'x'))
	}
}

func letter(is bool, c uint8) uint8 {
	if is {
		return c
	}
	return '-'
}
