// How much is written to pipes at a time. (pipesnoop; on 7.3 see anonpipes.)
package trap

var sizes map[string]hist

//ktrap:pre pipe_write
func write(from *iov_iter) { sizes[comm()].add(from.count) }
