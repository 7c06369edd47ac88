// Who is killed when memory runs out, and why. (oomkill of BCC.)
package trap

//ktrap:pre oom_kill_process
func kill(oc *oom_control, message *int8) {
	printf("%s: %s, adjusted by %d", str(message, 16), oc.chosen.comm, oc.chosen.signal.oom_score_adj)
}
