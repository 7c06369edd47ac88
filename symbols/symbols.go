// Package symbols tells names from addresses, and addresses from names, of the
// running kernel and its modules, or of the kernel in an image. It only reads,
// and it reads late: opening costs nothing, and each question reads no more than
// it needs. Live answers for the running kernel, Image for one in a file; what
// they have in common is a view:
//
//	Live    /proc/kcore, or /proc/kallsyms ┐
//	                                       ├─ view: Lookup, Glob, At, …
//	Image   a file, or the index ──────────┘
//
// An image is decompressed once, and kept in an index in the user's cache folder.
// Its addresses are those that the kernel was linked for, to which KASLR adds as
// it boots.
//
// The running kernel's symbols come from the tables in its own memory, through
// /proc/kcore: one name costs half a million instructions there, where all of
// /proc/kallsyms costs hundreds of millions. Where /proc/kcore can't be read (no
// CAP_SYS_RAWIO, a kernel locked down to confidentiality, or built without it) or
// its tables are not understood, they come from /proc/kallsyms, read once.
//
// The sysctl kernel.kptr_restrict hides the addresses in /proc/kallsyms but not
// /proc/kcore from root. What the kernel lets a process read is used, so root
// resolves names even with kptr_restrict=2. A HiddenError tells where not.
package symbols

import "fmt"

// A Symbol is a name in the kernel or in a module.
type Symbol struct {
	Name   string
	Module string // "" for the kernel proper
	Addr   uint64
	Size   uint64 // bytes to the next symbol, or 0 if that is unknown
	// Type is nm's letter: t T text, w W weak, d D data, b B bss, r R read-only,
	// a A absolute. Linux 7.3 gives data the letters of text, and a module's
	// letters are all small: ask Live.InText for what is code.
	Type byte
}

// String prints the symbol as the kernel does: NAME, or NAME [MODULE].
func (s Symbol) String() string {
	if s.Module == "" {
		return s.Name
	}
	return fmt.Sprintf("%s [%s]", s.Name, s.Module)
}
