// Who has everything written back. (syncsnoop of BCC.)
package trap

var syncs map[string]uint64

//ktrap:pre ksys_sync
func sync() { syncs[comm()]++ }

//ktrap:pre sync_filesystem
func syncfs(sb *super_block) { syncs[str(sb.s_type.name)]++ }
