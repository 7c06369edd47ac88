// Interval timers that are set: structs within a struct.
package trap

//ktrap:pre do_setitimer
func set(which int32, value *itimerspec64) {
	printf("%s sets timer %d to %d.%09d s, every %d s", comm(), which, value.it_value.tv_sec, value.it_value.tv_nsec, value.it_interval.tv_sec)
}
