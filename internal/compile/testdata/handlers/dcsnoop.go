// The names that are looked up, in which directory. (dcsnoop of BCC.)
package trap

//ktrap:pre d_lookup
func look(parent *dentry, name *qstr) {
	if comm() == "corpus" {
		printf("%s in %s", str(name.name, 32), str(parent.d_name.name, 32))
	}
}
