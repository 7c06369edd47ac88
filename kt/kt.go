// Package kt holds the words that a handler file may use: their declarations, as
// Go source, which the compiler checks together with the handler and which
// `ktrap types` writes beside it for editors.
//
// A handler file imports nothing. The words must stand in the handler's own
// package anyway: the kernel's types do, because their fields are spelled in
// lower case, and what Go calls a field of another package that is spelled so
// cannot be named.
package kt

import _ "embed"

// Words is the source of the declarations, for the package words.
//
//go:embed words.go
var Words string

// Native is the source of what the words do where a handler runs as Go: a body for
// each, and the made-up machine that they tell of.
//
//go:embed native.go
var Native string
