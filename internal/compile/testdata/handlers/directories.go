// Directories that are listed, with the position at which it goes on.
package trap

var listed map[string]uint64
var from hist

//ktrap:pre iterate_dir
func list(file *file, ctx *dir_context) {
	if comm() == "corpus" {
		listed[str(file.f_path.dentry.d_name.name, 32)]++
		from.add(file.f_pos)
	}
}
