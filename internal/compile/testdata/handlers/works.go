// Work that is put off: by the name of the queue. (wqlat of bpftrace.)
package trap

var queued map[string]uint64

//ktrap:pre __queue_work
func queue(wq *workqueue_struct) {
	if comm() == "corpus" {
		queued[wq.name]++
	}
}
