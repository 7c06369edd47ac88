package site

import (
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/disasm"
)

// A Reason is the stable name of a rule.
type Reason string

const (
	OutsideText       Reason = "outside-text"
	NoSymbol          Reason = "no-symbol"
	BeyondFunction    Reason = "beyond-function"
	ReturnNotAtEntry  Reason = "return-not-at-entry"
	NoReturn          Reason = "no-return"
	Blacklisted       Reason = "blacklisted"
	JumpLabel         Reason = "jump-label"
	StaticCall        Reason = "static-call"
	Bug               Reason = "bug"
	CFIPrefix         Reason = "cfi-prefix"
	Notrace           Reason = "notrace"
	InsideInstruction Reason = "inside-instruction"
	Undecodable       Reason = "undecodable"
	UD                Reason = "ud"
	Int3Padding       Reason = "int3-padding"
	Emulated          Reason = "emulated"
	MasksExceptions   Reason = "masks-exceptions"
	FarBranch         Reason = "far-branch"
	VirtualMachine    Reason = "virtual-machine"
	IndirectMemory    Reason = "indirect-memory"
	PrefixedCall      Reason = "prefixed-call"
)

// apply answers whether a place passes; if not, in words that read on from it.
type apply func(*subject) (Answer, string)

// A rule is a check of the kernel's, or of ours where errno is empty.
type rule struct {
	reason Reason
	errno  string
	local  bool // another place of the same function may pass
	apply  apply
}

// rules stand in the kernel's order, but for the notrace rule: the kernel asks
// it first, with the same EINVAL as the ones before it here, which say more.
var rules = []rule{
	{OutsideText, "ENOENT", false, outsideSymbols},
	{OutsideText, "EINVAL", false, outsideText},
	{NoSymbol, "ENOENT", false, withoutSymbol},
	{BeyondFunction, "", true, beyondFunction},
	{ReturnNotAtEntry, "EINVAL", false, returnBehindEntry},
	{NoReturn, "EINVAL", false, switchesStack},
	{Blacklisted, "EINVAL", false, blacklisted},
	{JumpLabel, "EINVAL", true, within("a jump label, which the kernel patches", func(k *Kernel) []Range { return k.JumpLabels })},
	{StaticCall, "EINVAL", true, within("a static call, which the kernel patches", func(k *Kernel) []Range { return k.StaticCalls })},
	{Bug, "EINVAL", true, within("a BUG or WARN site", func(k *Kernel) []Range { return k.Bugs })},
	{CFIPrefix, "EINVAL", false, prefixSymbol},
	{Notrace, "EINVAL", false, notrace},
	{Undecodable, "EILSEQ", false, undecodable},
	{InsideInstruction, "EILSEQ", true, insideInstruction},
	// e884edbb844f (6.9): int3 was EINVAL before, the others passed.
	{UD, "EILSEQ", true, since(6, 9, opcode(isTrap, "traps by itself"))},
	{Int3Padding, "EILSEQ", true, since(6, 9, opcode(isInt3, "is padding, or a breakpoint of another debugger"))},
	{Int3Padding, "EINVAL", true, opcode(isInt3, "is padding, or a breakpoint of another debugger")},
	{Emulated, "EINVAL", true, opcode(disasm.Inst.IsEmulated, "is for a hypervisor to emulate")},
	{MasksExceptions, "EINVAL", true, opcode(masksExceptions, "holds off the debug exception")},
	// 6256e668b7af (5.13, and 5.10 since its backport): a branch must be one that
	// the kernel can emulate.
	{FarBranch, "EOPNOTSUPP", true, opcode(isFar, "loads a code segment")},
	{VirtualMachine, "EOPNOTSUPP", true, opcode(isVM, "changes the virtual machine's state")},
	{IndirectMemory, "EOPNOTSUPP", true, opcode(isIndirectMemory, "reads its target from memory")},
	{PrefixedCall, "", true, unlessUnsafe(opcode(isPrefixedCall,
		"is a call with a prefix: the kernel accepts a probe there, then returns to the wrong address and crashes"))},
}

func since(major, minor int, rule apply) apply {
	return func(s *subject) (Answer, string) {
		if s.Kernel.before(major, minor) {
			return Yes, ""
		}
		return rule(s)
	}
}

func unlessUnsafe(rule apply) apply {
	return func(s *subject) (Answer, string) {
		if s.Unsafe {
			return Yes, ""
		}
		return rule(s)
	}
}

// passUnless is the answer of a rule whose facts are known.
func passUnless(broken bool, detail string) (Answer, string) {
	return AnswerOf(!broken), detail
}

// 5.18 and later look for the symbol before anything else.
func outsideSymbols(s *subject) (Answer, string) {
	if s.Func.Name != "" || s.Kernel.before(5, 18) {
		return Yes, ""
	}
	return outsideText(s)
}

func outsideText(s *subject) (Answer, string) {
	switch s.InText {
	case No:
		detail := "is outside the text of the kernel and of its modules"
		if s.Func.Name != "" {
			detail += ": it is data, or code that was dropped after boot"
		}
		return No, detail
	default:
		return s.InText, ""
	}
}

func withoutSymbol(s *subject) (Answer, string) {
	return passUnless(s.Func.Name == "", "is in no function that the kernel knows")
}

// The kernel would put the probe into another function.
func beyondFunction(s *subject) (Answer, string) {
	if s.Func.Size == 0 {
		return Unknown, ""
	}
	return passUnless(s.addr-s.Func.Addr >= s.Func.Size,
		fmt.Sprintf("is beyond the end of %s, which is %#x bytes long", s.Func.Name, s.Func.Size))
}

func returnBehindEntry(s *subject) (Answer, string) {
	if !s.Return {
		return Yes, ""
	}
	return s.entry, "is not the entry of " + s.Func.Name + ", where a return probe has to stand"
}

// The kernel's kretprobe_blacklist has this one name.
func switchesStack(s *subject) (Answer, string) {
	return passUnless(s.Return && s.Func.Name == "__switch_to", "returns on another stack than it was called on")
}

func blacklisted(s *subject) (Answer, string) {
	if s.Kernel.Blacklist == nil {
		return Unknown, ""
	}
	for _, r := range s.Kernel.Blacklist {
		if r.contains(s.addr) || s.Func.Base != 0 && r.contains(s.Func.Base) {
			if r.Name == s.Func.Name {
				return No, "is on the kernel's kprobe blacklist"
			}
			return No, "is on the kernel's kprobe blacklist, as a part of " + r.Name
		}
	}
	return Yes, ""
}

func within(what string, list func(*Kernel) []Range) apply {
	return func(s *subject) (Answer, string) {
		ranges := list(s.Kernel)
		if ranges == nil {
			return Unknown, ""
		}
		hit := slices.ContainsFunc(ranges, func(r Range) bool { return r.contains(s.addr) })
		return passUnless(hit, "is "+what)
	}
}

func (r Range) contains(addr uint64) bool { return r.Start <= addr && addr < r.End }

// de02f2ac5d8c (6.6): what stands before a function is no code of its own.
func prefixSymbol(s *subject) (Answer, string) {
	name := s.Func.Name
	return passUnless(strings.HasPrefix(name, "__cfi_") || strings.HasPrefix(name, "__pfx_"),
		"is padding before a function, not code")
}

func notrace(s *subject) (Answer, string) {
	if s.Kernel.NotraceAllowed {
		return Yes, ""
	}
	return s.Func.Traceable, "is in a function that ftrace can't trace, and this kernel lets no perf or tracefs probe in there"
}

func undecodable(s *subject) (Answer, string) {
	if _, ok := s.inst(); ok {
		return Yes, ""
	}
	at, bad := s.undecodable()
	if !bad {
		return Unknown, ""
	}
	return No, fmt.Sprintf("is behind bytes at +%#x that are no instruction", at)
}

func insideInstruction(s *subject) (Answer, string) {
	in, ok := s.inst()
	if !ok {
		return Unknown, ""
	}
	return passUnless(in.Addr != s.addr, fmt.Sprintf("is inside an instruction: %s at +%#x is %d bytes long",
		in, in.Addr-s.Func.Addr, len(in.Bytes)))
}
