// How large the requests to disks are, by program and direction.
package handlers

type request struct {
	by    string
	write bool
}

var requests map[request]hist // bytes

//ktrap:pre submit_bio
func blockSizes(bio *bio) {
	requests[request{comm(), bio.bi_opf&1 == 1}].add(bio.bi_iter.bi_size)
}
