package lower

import "ktrap/internal/compile/ir"

// merge makes one of reads that are each stored at once, if they are neighbours both
// where they are read and where they are stored: two ports of 16 bits are 32. No more
// than a word that is aligned is read at once, which is on one page: it is there or not.
func (l *lowering) merge(b *ir.Block) {
	out := b.Ins[:0]
	for i := 0; i < len(b.Ins); i++ {
		out = append(out, b.Ins[i])
		for n := len(out); n >= 4 && l.neighbours(out[n-4], out[n-3], out[n-2], out[n-1]); n = len(out) {
			read, store := &out[n-4], &out[n-3]
			read.Size, store.Size = 2*read.Size, 2*store.Size
			out = out[:n-2]
		}
	}
	b.Ins = out
}

// neighbours reports whether two reads that are stored can be one.
func (l *lowering) neighbours(r1, s1, r2, s2 ir.Ins) bool {
	n := r1.Size
	copied := func(r, s ir.Ins) bool {
		return r.Op == ir.Read && s.Op == ir.Store && s.B == ir.R(r.Dst) && s.Size == r.Size && r.From == 0 &&
			l.defs[r.Dst] == 1 && l.uses[r.Dst] == 1 && l.f.Regs[r.Dst].Struct == 0
	}
	return n <= 4 && copied(r1, s1) && copied(r2, s2) && r2.Size == n && r1.User == r2.User &&
		r1.A == r2.A && r2.Off == r1.Off+n && r1.Off%(2*n) == 0 &&
		s1.A == s2.A && s2.Off == s1.Off+n && (s1.Off+int32(s1.A.Imm))%(2*n) == 0 && l.private(s1.A) && l.atOnce(r1, 2*n)
}

// atOnce reports whether a read of that many bytes is no worse than several of fewer: a
// plain load may be of less than the helper reads.
func (l *lowering) atOnce(r ir.Ins, size int32) bool {
	r.Size = size
	loads := l.structOf(r.A) != 0 && (l.trampoline() || l.t.Cast != 0)
	return r.User || !loads || l.plainly(r)
}
