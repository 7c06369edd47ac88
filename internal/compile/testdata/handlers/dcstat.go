// Look-ups of names in the directory cache, and how many find nothing there: the
// returned pointer is only compared with nil. (dcstat of BCC.)
package trap

var found, missing uint64

//ktrap:ret d_lookup
func look(d *dentry) {
	if comm() != "corpus" {
		return
	}
	if d == nil {
		missing++
	} else {
		found++
	}
}
