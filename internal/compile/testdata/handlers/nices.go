// Priorities as they change, from what the task has to what it gets.
package trap

//ktrap:pre set_user_nice
func nice(p *task_struct, nice int64) {
	printf("%s of %s: %d to %d", comm(), p.comm, p.static_prio-120, nice)
}
