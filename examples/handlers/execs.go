// Programs that are started: which, by whom, and with what parent.
package handlers

//ktrap:ret begin_new_exec
func execs(bprm *linux_binprm, rv int32) {
	if rv != 0 {
		return
	}
	t := current()
	printf("%d (child of %s, %d) became %s", pid(), t.real_parent.comm, t.real_parent.tgid, str(bprm.filename, 48))
}
