// New threads and processes, by name: the kernel's new task as an argument.
// (pidpersec of BCC.)
package trap

var threads, processes map[string]uint64

//ktrap:pre wake_up_new_task
func start(p *task_struct) {
	if p.pid == p.tgid {
		processes[p.comm]++
	} else {
		threads[p.comm]++
	}
}
