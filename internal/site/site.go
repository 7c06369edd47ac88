// Package site judges an address: may a kprobe stand there, and how will the
// kernel run it?
//
// It promises the kernel's own answer, rule by rule, with the reason in words
// and the nearest places that are allowed; and it refuses the few places that
// the kernel accepts and then breaks at. It is given facts and fetches none. A
// rule whose facts are missing is never a refusal: the verdict names it as
// unchecked, and the kernel has the last word.
//
// The rules are a table (rules.go). Those on the instruction (opcodes.go) walk
// the function from its symbol's start, as the kernel does; what they know is
// amd64, and without its code they stay unchecked. What a probe costs follows
// from the mechanism (mechanism.go), which has rules of its own: a jump in place
// of the instruction (optimise.go), a copy that jumps back (boost.go), or the
// kernel doing what the instruction would (emulate.go).
//
// Judge asks until a rule refuses. Explain asks all there is to ask of a place,
// Survey of every instruction of a function, in one walk.
package site

import (
	"fmt"
	"slices"

	"ktrap/internal/patch"
)

// An Answer is what is known of a fact.
type Answer uint8

const (
	Unknown Answer = iota
	No
	Yes
)

// AnswerOf is Yes or No.
func AnswerOf(yes bool) Answer {
	if yes {
		return Yes
	}
	return No
}

// A Query is one address and the facts that decide on it.
type Query struct {
	Addr   uint64
	Return bool // a return probe is wanted
	Unsafe bool // places that the kernel accepts and breaks at are wanted too

	Func   Func
	InText Answer // the address is in the text of the kernel or of a module
	// Code is Func's code from Func.Addr on as the running kernel has it,
	// with the probes armed in it taken out again; nil if it is not known.
	Code []byte
	// Patches are the tables of the kernel or module that Func is in, if need be
	// only what they have of Func.
	Patches *patch.Table

	Kernel *Kernel
}

// A Func is the symbol that contains the address; it is empty if none does.
type Func struct {
	Name, Module string
	Addr, Size   uint64 // Size up to the next symbol, as kallsyms counts; 0 is unknown
	// Base is the address of the symbol that a clone such as "name.cold" was
	// cut from, which is its name up to the first dot; 0 if there is none.
	Base uint64
	// Traceable says whether ftrace lists the function, or its base. Unknown, it
	// is read from Patches.
	Traceable Answer
}

// end is the address behind the function.
func (f *Func) end() uint64 { return f.Addr + f.Size }

// A Verdict is the answer to a Query.
type Verdict struct {
	Addr      uint64   // where the kernel puts the probe: behind an endbr
	Entry     bool     // that is the function's entry
	Unchecked []Reason // rules whose facts were missing
	Refusal   *Refusal // nil if the place is allowed
}

// OK reports whether no rule is known to refuse the place.
func (v Verdict) OK() bool { return v.Refusal == nil }

// Err is the Refusal as an error, nil if there is none.
func (v Verdict) Err() error {
	if v.Refusal == nil {
		return nil
	}
	return v.Refusal
}

// A Refusal says why no probe can stand at a place.
type Refusal struct {
	Place   string // [module:]symbol+0xoffset, or the address
	Reason  Reason
	Detail  string // reads on from the place
	Errno   string // what the kernel would say; empty where it would accept
	Nearest []Nearest
}

// A Nearest is an allowed place before or behind a refused one.
type Nearest struct {
	Addr  uint64
	Place string
	Text  string // its instruction
}

func (r *Refusal) Error() string {
	text := r.Place + " " + r.Detail
	for i, n := range r.Nearest {
		if i == 0 {
			text += "; nearest places: " + n.Place
		} else {
			text += ", " + n.Place
		}
	}
	return text
}

// Judge applies the kernel's rules to a place.
func Judge(q Query) Verdict {
	return new(Judges).Judge(q)
}

func (s *subject) verdict() Verdict {
	v := Verdict{Addr: s.addr, Entry: s.entry == Yes}
	refusing, unchecked := s.refusing()
	v.Unchecked = unchecked
	if refusing != nil {
		v.Refusal = &Refusal{Place: s.place(s.asked), Reason: refusing.reason, Detail: refusing.refusal(s), Errno: refusing.errno}
		if refusing.local {
			v.Refusal.Nearest = s.nearest()
		}
	}
	return v
}

// refusing returns the first rule that refuses the place, or nil, and the rules
// before it whose facts are missing.
func (s *subject) refusing() (refusing *rule, unchecked []Reason) {
	for i := range rules {
		r := &rules[i]
		switch s.answer(r) {
		case Unknown:
			if !slices.Contains(unchecked, r.reason) {
				unchecked = append(unchecked, r.reason)
			}
		case No:
			return r, unchecked
		}
	}
	return nil, unchecked
}

func (q *Query) place(addr uint64) string {
	if q.Func.Name == "" {
		return fmt.Sprintf("%#x", addr)
	}
	name := q.Func.Name
	if q.Func.Module != "" {
		name = q.Func.Module + ":" + name
	}
	if offset := addr - q.Func.Addr; offset != 0 {
		return fmt.Sprintf("%s+%#x", name, offset)
	}
	return name
}
