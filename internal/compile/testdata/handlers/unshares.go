// Namespaces that are left, each by its name: bits that are tried one by one.
package trap

var left map[string]uint64

//ktrap:pre ksys_unshare
func unshare(unshare_flags uint64) {
	for bit := 0; bit < 32; bit++ {
		switch unshare_flags & (1 << bit) {
		case 0:
		case 0x200:
			left["filesystem"]++
		case 0x400:
			left["files"]++
		case 0x20000:
			left["mounts"]++
		default:
			left["other"]++
		}
	}
}
