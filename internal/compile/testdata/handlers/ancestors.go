// The line of ancestors of whoever changes its umask: a loop over a chain of
// pointers, which ends at the first process or after 16 steps.
package trap

//ktrap:pre __x64_sys_umask
func umask() {
	task := current()
	for i := 0; i < 16 && task.tgid > 1; i++ {
		emit(i, task.tgid, task.comm)
		task = task.real_parent
	}
}
