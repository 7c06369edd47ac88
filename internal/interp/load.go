package interp

import (
	"fmt"
	mapnames "maps"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// Program is a program ready to run, bound to its maps.
type Program struct {
	insns  []inst
	source asm.Instructions
}

// inst is an instruction whose meaning was looked up.
type inst struct {
	do       func(*run, *inst)
	alu      operation
	cmp      compare
	call     *helper
	m        *Map
	imm      uint64
	offset   int64
	target   int // index a jump leads to
	size     int
	op       asm.ALUOp
	jump     asm.JumpOp
	dst, src asm.Register
	narrow   bool // compares 32 bits
	fetch    bool
	next     bool // control goes on to the next instruction
}

// maxInsns is how many instructions the kernel loads (c04c0d2b968a, 5.2).
const maxInsns = 1_000_000

// Load prepares insns, whose maps are named by references. Its error is a *Fault:
// what the verifier sees of a program before it follows it.
func Load(insns asm.Instructions, maps map[string]*Map) (*Program, error) {
	l := loader{source: insns, maps: maps}
	if len(insns) == 0 || len(insns) > maxInsns {
		return nil, &Fault{Index: -1, Code: diag.VerifierLarge, Msg: fmt.Sprintf("a program of %d instructions", len(insns))}
	}
	l.number()
	place(maps)
	p := &Program{insns: make([]inst, len(insns)), source: insns}
	for i, in := range insns {
		l.at = i
		p.insns[i] = l.decode(in)
		if l.err != nil {
			return nil, l.err
		}
	}
	if err := l.reach(p.insns); err != nil {
		return nil, err
	}
	return p, nil
}

// place gives maps that have no addresses yet addresses of their own.
func place(maps map[string]*Map) {
	for i, name := range slices.Sorted(mapnames.Keys(maps)) {
		if m := maps[name]; m.base == 0 {
			m.base = mapBase + uint64(i)*mapStride
		}
	}
}

type loader struct {
	source asm.Instructions
	maps   map[string]*Map
	labels map[string]int
	starts []int       // raw slot at which each instruction begins
	slots  map[int]int // and back
	at     int         // the instruction in hand
	err    *Fault
}

func (l *loader) refuse(code diag.Code, format string, args ...any) inst {
	if l.err == nil {
		l.err = &Fault{l.at, l.source[l.at], code, fmt.Sprintf(format, args...)}
	}
	return inst{}
}

// number finds where labels and raw offsets lead.
func (l *loader) number() {
	l.labels, l.slots = map[string]int{}, map[int]int{}
	raw := 0
	for i := range l.source {
		if s := l.source[i].Symbol(); s != "" {
			l.labels[s] = i
		}
		l.starts = append(l.starts, raw)
		l.slots[raw] = i
		raw += int(l.source[i].Width())
	}
}

// reach refuses what the verifier's first pass does: instructions that nothing
// leads to, and an end that does not end.
func (l *loader) reach(insns []inst) error {
	seen := make([]bool, len(insns))
	todo := []int{0}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if i == len(insns) {
			l.at = i - 1
			l.refuse(diag.VerifierDead, "the program goes on behind its last instruction")
			return l.err
		}
		if seen[i] {
			continue
		}
		seen[i] = true
		if insns[i].next {
			todo = append(todo, i+1)
		}
		if insns[i].cmp != nil || !insns[i].next && l.source[i].OpCode.JumpOp() == asm.Ja {
			todo = append(todo, insns[i].target)
		}
	}
	for i, ok := range seen {
		if !ok {
			l.at = i
			l.refuse(diag.VerifierDead, "nothing leads to this instruction")
			return l.err
		}
	}
	return nil
}
