// On which CPUs threads may run: the first word of a mask.
package trap

//ktrap:pre sched_setaffinity
func set(in_mask *cpumask) {
	printf("%s: mask %#x", comm(), in_mask.bits[0]&0x3)
}
