// How processes end: their exit code or the signal that killed them, and how long
// they lived. (exitsnoop of BCC.)
package trap

var lives hist

//ktrap:pre do_exit
func exit(code int64) {
	task := current()
	if task.tgid != task.pid || comm() != "corpus" {
		return
	}
	lives.add((nsecs() - task.start_time) / 1000000)
	printf("exit code %d, signal %d, child of %s", code>>8&0xff, code&0x7f, task.real_parent.comm)
}
