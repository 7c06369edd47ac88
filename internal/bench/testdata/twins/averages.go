// Count, sum, least and greatest by program.
package trap

var sizes map[string]stat

//ktrap:pre vfs_write
func write(count uint64) { sizes[comm()].add(count) }
