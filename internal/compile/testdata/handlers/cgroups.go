// Cgroups that are made, and in which cgroup who makes them is.
package trap

//ktrap:pre cgroup_mkdir
func mkdir(name *int8, mode uint16) {
	printf("%s, mode %#o, by cgroup %d", str(name), mode&0o7777, min(cgroup(), 2))
}
