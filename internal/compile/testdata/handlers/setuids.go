// Attempts to become another user: arguments of several functions in one record
// each. (setuids of bpftrace.)
package trap

//ktrap:pre __sys_setuid
func setuid(uid uint32) { printf("%s setuid %d", comm(), uid) }

//ktrap:pre __sys_setresuid
func setresuid(ruid, euid, suid uint32) {
	printf("%s setresuid %d %d %d", comm(), int32(ruid), int32(euid), int32(suid))
}
