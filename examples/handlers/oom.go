// Whom the kernel kills when memory runs out, how much it had, and who asked for
// the memory that was not there.
package handlers

//ktrap:pre oom_kill_process
func oom(oc *oom_control, message *int8) {
	victim := oc.chosen
	printf("%s: %s (%d) goes for %s (%d), points %d, adjusted by %d", str(message, 32),
		victim.comm, victim.tgid, comm(), pid(), oc.chosen_points, victim.signal.oom_score_adj)
}
