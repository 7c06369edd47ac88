// Arrays that BPF programs get: members of an unnamed struct in a union.
package trap

//ktrap:pre array_map_alloc
func alloc(attr *bpf_attr) {
	printf("%d values of %d bytes, flags %#x", attr.max_entries, attr.value_size, attr.map_flags)
}
