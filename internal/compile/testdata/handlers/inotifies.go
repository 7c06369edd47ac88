// What watchers of directories are told.
package trap

//ktrap:pre inotify_handle_inode_event
func event(mask uint32, name *qstr) {
	if mask&0x100 != 0 {
		printf("created %s", str(name.name))
	}
}
