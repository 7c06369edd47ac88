// Programs being started, by the file that is run and who ran it.
package trap

var runs map[string]uint64

//ktrap:pre bprm_execve
func exec(bprm *linux_binprm) {
	runs[str(bprm.filename)]++
	emit(current().tgid, current().real_parent.tgid, str(bprm.filename, 128))
}
