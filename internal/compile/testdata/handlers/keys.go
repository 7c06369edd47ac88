// Keys that are added: text behind pointers in two structs.
package trap

//ktrap:pre key_alloc
func alloc(_type *key_type, desc *int8) {
	printf("%s key %s", str(_type.name), str(desc))
}
