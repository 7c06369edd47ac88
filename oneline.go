package ktrap

import (
	"cmp"
	"errors"
	"slices"
	"strings"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/oneliner"
	"ktrap/internal/place"
	"ktrap/internal/value"
)

// OneLine is a handler that need not be written. Its expressions are Go over the
// probed function's parameters, what they lead to, retval at a return, and the
// words of handlers, whose brackets may be left out.
type OneLine struct {
	Places  []string
	If      string   // count only hits for which it is true
	By      string   // one count for each value of these, separated by commas; else for each place
	Also    string   // with By, and before it: what the caller adds to it
	Sum     string   // count, sum, average, least and greatest of this instead of hits
	Hist    string   // how often this had which values instead
	Steps   [3]int64 // of Hist: from, to, and the width of a bucket; zero for powers of two
	Trace   bool     // send each hit, with what the function is given or returns
	Show    string   // with Trace: and these
	Stack   bool     // with Trace: and the kernel's stack
	Latency bool     // the time of calls, from entry to return, instead
	PID     uint32   // only hits of this process; 0 for any
	Comm    string   // only hits of threads of this name; empty for any
}

// Written is a OneLine as a handler file.
type Written struct {
	HandlerFile
	Table string   // the variable that holds what was counted
	Total string   // of Latency, the one that holds count, sum, least and greatest
	Keys  []string // what its keys are; none of a single histogram
}

// Graduate writes the handler file that o stands for, by the running kernel's
// types. A mistake in an expression is a *SourceError that shows it as it was
// given.
func (s *Session) Graduate(o OneLine) (Written, error) {
	if err := meansPID(o.PID); err != nil {
		return Written{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := HandlerFile{}
	if len(o.Places) > 0 {
		at.Place = o.Places[0]
	}
	if p, err := place.Parse(at.Place); err == nil && p.Glob {
		if all := s.on.functionsOf(p); len(all) > 0 {
			at.Place = all[0]
		}
	}
	w, err := o.write(s.on.env(s.arch, at), s.on.functionsOf)
	if err != nil {
		if gone := s.on.missing(at); gone != nil {
			err = gone
		}
	}
	return w, err
}

// Graduate is Session.Graduate by the compiler's types: it needs no privileges and
// no BPF.
func (c Compiler) Graduate(o OneLine) (Written, error) {
	spec, err := c.types()
	if err != nil {
		return Written{}, err
	}
	return o.write(compile.Env{Arch: arch.AMD64, BTF: spec}, nil)
}

// functionsOf are the functions of a pattern that can be named one by one.
func (k *Kernel) functionsOf(p place.Place) (list []string) {
	matches, err := k.symbols.Match(p.Module, p.Symbol)
	if err != nil {
		return nil
	}
	named, at := map[string]int{}, map[uint64]bool{}
	for _, m := range matches {
		named[m.Name]++
	}
	for _, m := range matches {
		if named[m.Name] > 1 || at[m.Addr] || strings.HasSuffix(m.Name, coldSuffix) {
			continue
		}
		at[m.Addr] = true
		list = append(list, place.Place{Module: m.Module, Symbol: m.Name}.String())
	}
	return list
}

func (o OneLine) write(env compile.Env, match func(place.Place) []string) (Written, error) {
	r := oneliner.Request{
		Places: o.Places, Match: match, PID: o.PID, Comm: o.Comm,
		If: oneliner.Expr{Flag: "--if", Text: o.If},
		By: oneliner.Expr{Flag: "--by", Text: o.By}, Also: oneliner.Expr{Flag: "--by", Text: o.Also},
		Of: oneliner.Expr{Flag: "--sum", Text: o.Sum},
	}
	if o.Hist != "" {
		r.What, r.Of = oneliner.Hist, oneliner.Expr{Flag: "EXPR", Text: o.Hist}
		r.Linear = oneliner.Linear{Least: o.Steps[0], Most: o.Steps[1], Step: o.Steps[2]}
	}
	if o.Trace {
		show := strings.ReplaceAll(o.Show, "->", ".")
		r.What, r.All, r.Stack, r.Show = oneliner.Send, true, o.Stack, oneliner.Expr{Flag: "--show", Text: show}
	}
	if o.Latency {
		r.What = oneliner.Latency
	}
	f, err := oneliner.Make(r, env)
	if err != nil {
		return Written{}, typed(err)
	}
	return Written{HandlerFile{Name: "oneliner.go", Text: []byte(f.Text), Optional: f.Spread}, f.Table, f.Total, f.Keys}, nil
}

// typed shows a mistake in what was typed.
func typed(err error) error {
	var m *oneliner.Mistake
	if errors.As(err, &m) {
		return &SourceError{m.List, []byte(m.Expr.Text)}
	}
	return err
}

// Counts is how often each probe of the session was hit, the most hit first:
// places that were not hit are left out.
func (s *Session) Counts() (Table, error) {
	ledgers, err := s.Ledgers()
	t := Table{Name: "hits"}
	for _, l := range ledgers {
		if n := l.Handled + l.Delivered; n > 0 {
			t.Entries = append(t.Entries, Entry{Key: Value{Kind: value.Enum, Text: l.Place}, Value: Value{Kind: value.Uint, Bits: n}})
		}
	}
	slices.SortStableFunc(t.Entries, func(a, b Entry) int { return cmp.Compare(b.Value.Bits, a.Value.Bits) })
	return t, err
}
