package ktrap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/place"
	"ktrap/symbols"
)

// picked are the spots that p's pick chooses: in a function and the part of it that
// the compiler moved away, in a range, or of a glob in each function that matches.
func (k *Kernel) picked(p place.Place) (spots []spot, err error) {
	searched, err := k.searched(p)
	if err != nil {
		return nil, err
	}
	for _, s := range searched {
		s = k.pick(s, p.Pick)
		for _, in := range s.insts {
			spots = append(spots, spot{s.sym, in.Addr})
		}
	}
	switch {
	case len(spots) == 0:
		return nil, k.nothingPicked(p, searched)
	case len(spots) > maxMatches:
		return nil, fmt.Errorf("%s are %d places, more than the %d that one pattern may stand for: narrow it down", p, len(spots), maxMatches)
	}
	return spots, nil
}

// searched is the code that p's pick looks through.
func (k *Kernel) searched(p place.Place) (all []stretch, err error) {
	whole := p
	whole.Pick = place.Pick{}
	if p.To != 0 {
		s, err := k.stretch(whole)
		return []stretch{s}, err
	}
	functions, err := k.functions(whole)
	for _, f := range functions {
		s, err := k.cut(f)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p, err)
		}
		all = append(all, s)
	}
	return all, err
}

// functions are those that p means, each once, with their unlikely parts.
func (k *Kernel) functions(p place.Place) (all []symbols.Symbol, err error) {
	if !p.Glob {
		s, err := k.stretch(p)
		cold, _ := k.symbols.Lookup(s.sym.Module, s.sym.Name+coldSuffix)
		if len(cold) == 1 { // one of several may be of another function of that name
			all = cold
		}
		return append([]symbols.Symbol{s.sym}, all...), err
	}
	if all, err = k.symbols.Match(p.Module, p.Symbol); err == nil && len(all) > maxMatches {
		err = tooMany(p, len(all))
	}
	seen := map[uint64]bool{}
	return slices.DeleteFunc(all, func(s symbols.Symbol) bool {
		known := seen[s.Addr]
		seen[s.Addr] = true
		return known
	}), err
}

// pick keeps the instructions that the pick chooses.
func (k *Kernel) pick(s stretch, pick place.Pick) stretch {
	chosen := k.chooser(s.sym, pick)
	return stretch{s.sym, slices.DeleteFunc(slices.Clone(s.insts), func(in disasm.Inst) bool { return !chosen(in) })}
}

// chooser tells of an instruction of sym whether it is what the pick is of.
func (k *Kernel) chooser(sym symbols.Symbol, pick place.Pick) func(disasm.Inst) bool {
	switch pick.What {
	case place.Ret:
		return func(in disasm.Inst) bool { return in.Flow(k.name).Kind == disasm.Return }
	case place.Call:
		return func(in disasm.Inst) bool {
			callee, ok := k.callee(sym, in)
			return ok && pick.Names(callee)
		}
	case place.Insn:
		context, like := disasm.Context{Name: k.name}, regexp.MustCompile(pick.Name)
		return func(in disasm.Inst) bool { return like.MatchString(in.Text(context).String()) }
	}
	return func(in disasm.Inst) bool {
		a, ok := in.Access()
		return ok && a.Offset == pick.Offset && (a.Reads && pick.What == place.Load || a.Writes && pick.What == place.Store)
	}
}

// callee is whom an instruction of sym calls, or jumps to as the last that sym
// does; empty where only running tells. ftrace's call at the entry is none.
func (k *Kernel) callee(sym symbols.Symbol, in disasm.Inst) (name string, ok bool) {
	flow := in.Flow(k.name)
	switch flow.Kind {
	case disasm.IndirectCall:
		return "", true
	case disasm.Call, disasm.Jump, disasm.CondJump:
	default:
		return "", false
	}
	to, _, known := k.symbols.At(flow.Target)
	if flow.Kind == disasm.Call {
		return to.Name, to.Name != "__fentry__"
	}
	return to.Name, known && !isPart(sym, to)
}

// isPart reports whether two symbols are of one function.
func isPart(a, b symbols.Symbol) bool {
	return strings.TrimSuffix(a.Name, coldSuffix) == strings.TrimSuffix(b.Name, coldSuffix)
}

const coldSuffix = ".cold"

// nothingPicked says that p chooses nothing of what was searched, and what there is.
func (k *Kernel) nothingPicked(p place.Place, searched []stretch) error {
	what := map[string]string{
		place.Ret:   "no return instruction is in it",
		place.Call:  "nothing is called in it",
		place.Load:  fmt.Sprintf("nothing in it reads at %#x from a pointer", p.Pick.Offset),
		place.Store: fmt.Sprintf("nothing in it writes at %#x from a pointer", p.Pick.Offset),
		place.Insn:  "no instruction in it reads like that in AT&T syntax",
	}[p.Pick.What]
	if p.Pick.What == place.Call && p.Pick.Name != "" {
		what = fmt.Sprintf("%s is not called in it", p.Pick.Name)
		if called := k.called(searched); len(called) > 0 {
			what += ": it calls " + strings.Join(called, ", ")
		}
	}
	return fmt.Errorf("%s: %s", p, what)
}

// called are the names of the functions that are called, not more than a person
// reads.
func (k *Kernel) called(in []stretch) (names []string) {
	for _, s := range in {
		for _, inst := range s.insts {
			if name, ok := k.callee(s.sym, inst); ok && name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	const most = 12
	if slices.Sort(names); len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d others", len(names)-most))
	}
	return names
}
