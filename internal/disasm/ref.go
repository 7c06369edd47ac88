package disasm

import "golang.org/x/arch/x86/x86asm"

// references are the addresses that the operands mean.
func (f *form) references() []Ref {
	var refs []Ref
	for _, arg := range f.args {
		switch arg := arg.(type) {
		case x86asm.Rel:
			refs = append(refs, Ref{Addr: f.in.End() + uint64(arg)})
		case x86asm.Imm:
			if addr := f.immediate(arg); f.dataSize == 64 && isKernel(addr) {
				refs = append(refs, Ref{Addr: addr})
			}
		case x86asm.Mem:
			if addr := f.absolute(f.memory(arg)); addr != 0 {
				refs = append(refs, Ref{Addr: addr})
			}
		}
	}
	return refs
}

// absolute is the address of an operand in memory that no register but %rip has a
// part in, of the table that an index goes through, or of a variable that each
// processor has, which begins at %gs.
func (f *form) absolute(m memory) uint64 {
	switch addr := uint64(m.Disp); {
	case m.Base == x86asm.RIP:
		return f.in.End() + addr
	case m.Base == 0 && m.hasDisp && (isKernel(addr) || f.segment(m) == x86asm.GS && m.Index == 0):
		return addr
	}
	return 0
}

// isKernel reports whether an operand of 32 bits can be an address in the kernel
// or a module, which live in the top 2 GB: the last 16 MB are errno values and
// fixed mappings.
func isKernel(addr uint64) bool {
	return addr >= 0xffffffff80000000 && addr < 0xffffffffff000000
}
