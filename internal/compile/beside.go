package compile

import "ktrap/internal/compile/front"

// Generated begins every file that Beside writes.
const Generated = front.Generated

// Beside writes the file that editors, go vet and go test need in the package of
// handler files: the words, and the kernel's types in full up to depth steps from
// those that the files touch.
func Beside(pkg string, sources []Source, env Env, depth int) (string, error) {
	return front.Beside(pkg, sources, env, depth)
}
