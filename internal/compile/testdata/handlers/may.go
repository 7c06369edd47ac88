// How often programs may do what they ask for: a returned bool.
package trap

var yes, no map[string]uint64

//ktrap:ret ns_capable
func may(ok bool) {
	if ok {
		yes[comm()]++
	} else {
		no[comm()]++
	}
}
