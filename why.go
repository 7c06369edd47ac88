package ktrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/place"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// Answer is what one kernel says of a place.
type Answer struct {
	Place  string `json:"place"`  // as it was asked for
	Kernel string `json:"kernel"` // its release
	Arch   string `json:"arch"`   // as GOARCH says
	Source string `json:"source"` // "live", or the path of an image

	// Notes say how the name resolves: its other names, its copies, where the
	// compiler inlined it.
	Notes []string `json:"notes,omitempty"`
	// Moved is where, in a kernel that is compared with another, the instruction
	// is that the other has at Place; empty if it was not found.
	Moved string `json:"moved,omitempty"`
	// Verdicts are one for each symbol that the name stands for.
	Verdicts []Verdict `json:"verdicts"`
}

// Verdict says whether a probe can stand at an address, and how it works there.
type Verdict struct {
	Place       string   `json:"place"` // symbol+0xoffset
	Addr        Address  `json:"addr"`
	Instruction string   `json:"instruction,omitempty"`
	Patches     []string `json:"patches,omitempty"` // what the kernel may patch there

	OK      bool    `json:"ok"`                 // no rule is known to refuse it
	ProbeAt Address `json:"probe_at,omitempty"` // where the kernel puts the probe
	Mark    Mark    `json:"mark"`               // how it works
	Cost    int     `json:"instructions_per_hit,omitempty"`
	Better  string  `json:"better,omitempty"` // why it is not cheaper

	// Post says how a post-handler can be had: computed, observed or impossible;
	// After, in words that read on from "what the instruction does".
	Post  string `json:"post,omitempty"`
	After string `json:"after,omitempty"`

	Reason  string    `json:"reason,omitempty"` // the stable name of the rule that refuses it
	Why     string    `json:"why,omitempty"`    // the same in words that read on from Place
	Errno   string    `json:"errno,omitempty"`  // what the kernel would say; empty where it would accept
	Nearest []Nearest `json:"nearest,omitempty"`

	Rules   []Rule   `json:"rules"`             // in the kernel's order
	Assumed []string `json:"assumed,omitempty"` // facts that are missing, taken as usual
}

// Nearest is an allowed place before or behind a refused one.
type Nearest struct {
	Place       string  `json:"place"`
	Addr        Address `json:"addr"`
	Instruction string  `json:"instruction"`
}

// Rule is one question of the kernel's.
type Rule struct {
	Name   string `json:"name"`            // stable
	Asks   string `json:"asks"`            // what has to be so; reads on from the place
	Answer string `json:"answer"`          // passed, refused, unknown; or "not asked" where another refused before
	Found  string `json:"found,omitempty"` // in words
	Errno  string `json:"errno,omitempty"` // what the kernel says if it refuses; empty for a rule of ktrap's own
}

// Why tells whether a probe can stand at a place, by each of the kernel's rules;
// how it would work and what a hit would cost; and if it can't, the nearest places
// where it can. A malformed place is a *PlaceError, an unknown name a
// *symbols.NotFoundError.
func (k *Kernel) Why(ctx context.Context, text string, unsafe bool) (*Answer, error) {
	p, err := place.Parse(text)
	if err != nil {
		return nil, err
	}
	a := &Answer{Place: p.String(), Kernel: k.release, Arch: k.goarch, Source: k.source}
	asked, err := k.asked(p)
	if err != nil {
		return nil, k.orInlined(ctx, p, err)
	}
	w := wanted{ret: p.Return, unsafe: unsafe}
	for _, at := range asked {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		a.Verdicts = append(a.Verdicts, k.verdict(w, at.sym, at.addr))
	}
	if p.Addr == 0 && !p.Glob {
		a.Notes = k.notes(p, asked)
	}
	return a, nil
}

// Probeable tells whether a probe can stand at a symbol: at the entry of a
// function. It reads no more of the code than decides.
func (k *Kernel) Probeable(sym symbols.Symbol) bool {
	k.readTraceable()
	q := k.facts(wanted{}, sym, sym.Addr)
	q.Code, _ = k.symbols.Code(sym.Addr, int(min(sym.Size, entrySize)))
	if !k.live {
		q.Patches = k.patches(sym)
	}
	return site.Judge(q).OK()
}

// entrySize is more than an endbr and any instruction behind it, bytes.
const entrySize = 4 + disasm.MaxLength

// A spot is an address and the symbol that it is in, which may be none.
type spot struct {
	sym  symbols.Symbol
	addr uint64
}

// asked are all the places that p may mean.
func (k *Kernel) asked(p place.Place) (spots []spot, err error) {
	switch {
	case p.Pick.What != "":
		return k.picked(p)
	case p.To != 0:
		s, err := k.stretch(p)
		for _, in := range s.insts {
			spots = append(spots, spot{s.sym, in.Addr})
		}
		return spots, err
	case p.Addr != 0:
		sym, _, _ := k.symbols.At(p.Addr)
		return []spot{{sym, p.Addr}}, nil
	}
	look := k.symbols.Lookup
	if p.Glob {
		look = k.symbols.Match
	}
	found, err := look(p.Module, p.Symbol)
	for _, sym := range found {
		spots = append(spots, spot{sym, sym.Addr + p.Offset})
	}
	return spots, err
}

// orInlined says what BTF knows of a name that no symbol has.
func (k *Kernel) orInlined(ctx context.Context, p place.Place, err error) error {
	var missing *symbols.NotFoundError
	if !errors.As(err, &missing) || p.Glob || p.Module != "" {
		return err
	}
	// BTF has an inlined function only if somewhere there is a copy of it too.
	spec, btfErr := k.spec("")
	known := btfErr == nil && len(spec.Funcs(p.Symbol)) > 0
	into := k.inlinedInto(ctx, p.Symbol)
	switch {
	case known:
		return fmt.Errorf("%w; BTF knows it as a function, but its calls are inlined: %s", err, into)
	case strings.HasPrefix(into, "they are in"):
		return fmt.Errorf("%w; its calls are inlined: %s", err, into)
	}
	return err
}

func (k *Kernel) verdict(w wanted, sym symbols.Symbol, addr uint64) Verdict {
	e := k.explain(w, sym, addr)
	v := Verdict{
		Addr: Address(addr), OK: e.OK(), Mark: markOf(e.Mechanism, e.OK()), Better: e.Better,
		Place: spot{sym, addr}.String(),
	}
	if w.ret {
		v.Place += "%return"
	}
	if v.Cost = costs[v.Mark]; v.Cost > 0 && w.ret {
		v.Cost += returning
	}
	if v.OK {
		v.ProbeAt = Address(e.Addr)
		v.Post, v.After = k.after(w, sym, e.Addr)
	} else {
		r := e.Refusal
		v.Reason, v.Why, v.Errno = string(r.Reason), r.Detail, r.Errno
		for _, n := range r.Nearest {
			v.Nearest = append(v.Nearest, Nearest{n.Place, Address(n.Addr), n.Text})
		}
	}
	if in, ok := k.instruction(sym, addr); ok && k.isCode(addr) {
		v.Instruction = in.Text(disasm.Context{Name: k.name, Note: k.quote}).String()
	}
	for _, entry := range k.patches(sym).In(addr, addr+1) {
		v.Patches = append(v.Patches, entry.Kind.String())
	}
	for _, step := range e.Trail {
		v.Rules = append(v.Rules, rule(step))
	}
	for _, reason := range e.Assumed {
		v.Assumed = append(v.Assumed, string(reason))
	}
	return v
}

// after says how it can be known what the instruction at addr did. The return of a
// function has no post-handler.
func (k *Kernel) after(w wanted, sym symbols.Symbol, addr uint64) (post, why string) {
	if w.ret {
		return "", ""
	}
	o, _ := k.outcomes(w, sym).of(addr)
	return o.Kind.String(), o.Why
}

// String is the kernel's name for the spot.
func (s spot) String() string {
	if s.sym.Name == "" {
		return fmt.Sprintf("%#x", s.addr)
	}
	return place.Place{Module: s.sym.Module, Symbol: s.sym.Name, Offset: s.addr - s.sym.Addr}.String()
}

// instruction is the one that begins at addr.
func (k *Kernel) instruction(sym symbols.Symbol, addr uint64) (disasm.Inst, bool) {
	for in := range k.arch.Walk(sym.Addr, k.code(sym)) {
		if in.Addr >= addr {
			return in, in.Addr == addr
		}
	}
	return disasm.Inst{}, false
}

func rule(s site.Step) Rule {
	r := Rule{Name: string(s.Reason), Asks: s.Asks, Found: s.Found, Errno: s.Errno}
	r.Answer = map[site.Answer]string{site.Yes: "passed", site.No: "refused", site.Unknown: "unknown"}[s.Answer]
	if !s.Asked {
		r.Answer = "not asked"
	}
	return r
}

var markOfMechanism = map[site.Mechanism]Mark{
	site.ByFtrace: MarkFtrace, site.ByJump: MarkOptimised, site.ByBoost: MarkBoosted,
	site.ByEmulation: MarkEmulated, site.ByStep: MarkInt3, site.Unsettled: MarkUnknown,
}

func markOf(m site.Mechanism, ok bool) Mark {
	if !ok {
		return MarkNone
	}
	return markOfMechanism[m]
}

// costs are instructions above no probe, by a kprobe with an empty program,
// counted on 6.12 under emulation; on real hardware a breakpoint costs some ten
// times what its instructions say.
var costs = map[Mark]int{MarkFtrace: 361, MarkOptimised: 295, MarkEmulated: 480, MarkBoosted: 714, MarkInt3: 714}

// returning is what it costs to catch a function's return as well.
const returning = 279

// notes tell what a name stands for besides its place.
func (k *Kernel) notes(p place.Place, spots []spot) (notes []string) {
	if len(spots) > 1 {
		notes = append(notes, fmt.Sprintf("%d symbols have this name: a probe needs the address of one", len(spots)))
	}
	if clones, err := k.symbols.Clones(p.Module, p.Symbol); err == nil && len(clones) > 0 {
		notes = append(notes, "the compiler made copies or parts of it, where a probe on it sees nothing: "+names(clones))
	}
	for _, s := range spots {
		if others, err := k.symbols.Aliases(s.sym.Addr); err == nil && s.sym.Module == "" {
			others = slices.DeleteFunc(slices.Clone(others), func(o symbols.Symbol) bool { return o.Name == s.sym.Name })
			if len(others) > 0 {
				notes = append(notes, s.sym.Name+" is also called "+names(others))
			}
		}
	}
	return notes
}

func names(all []symbols.Symbol) string {
	var text []string
	for _, s := range all {
		text = append(text, s.String())
	}
	return strings.Join(text, ", ")
}
