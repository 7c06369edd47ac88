package ktrap

import (
	"errors"

	"ktrap/internal/disasm"
	"ktrap/internal/outcome"
	"ktrap/internal/patch"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// outcomes are the instructions of one function, of which it is asked how what
// they do can be known.
type outcomes struct {
	kernel  *Kernel
	patches *patch.Table
	marks   map[uint64]site.Mark
}

// outcomesOf says of which function, and for whom, outcomes are.
type outcomesOf struct {
	wanted
	addr uint64
}

func (k *Kernel) outcomes(w wanted, sym symbols.Symbol) *outcomes {
	of := outcomesOf{w, sym.Addr}
	if o, known := k.known[of]; known {
		return o
	}
	o := &outcomes{kernel: k, patches: k.patches(sym), marks: map[uint64]site.Mark{}}
	for _, m := range k.survey(w, sym) {
		o.marks[m.Inst.Addr] = m
	}
	k.known[of] = o
	return o
}

// of is the outcome of the instruction at addr, where a probe can stand.
func (o *outcomes) of(addr uint64) (outcome.Outcome, error) {
	m, ok := o.marks[addr]
	if !ok {
		return outcome.Outcome{Why: unread}, errors.New("what it does " + unread)
	}
	out := outcome.Of(m.Inst, outcome.Surroundings{
		Ftrace: m.Mechanism == site.ByFtrace,
		At: func(addr uint64) (disasm.Inst, string, bool) {
			m, ok := o.marks[addr]
			return m.Inst, m.Why, ok
		},
		Branch: func(addr uint64) (uint64, bool) {
			e, ok := one(o.patches.Of(patch.JumpLabel, addr, addr+1))
			return e.Target, ok
		},
		Name: o.kernel.name,
	})
	if out.Kind == outcome.Impossible {
		return out, errors.New("what it does " + out.Why)
	}
	return out, nil
}

const unread = "can't be known: its code could not be read"
