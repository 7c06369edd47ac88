package site

import (
	"fmt"
	"strings"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
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
	LockPrefix        Reason = "lock-prefix"
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
	MistakenVector    Reason = "mistaken-vector"
	Misemulated       Reason = "misemulated"
	FtraceSite        Reason = "ftrace-site"
	EndOfModule       Reason = "end-of-module"
	Misaligned        Reason = "misaligned"
	Exceptions        Reason = "exceptions"
)

// A rule is a check of the kernel's, or of ours where errno is empty.
type rule struct {
	reason Reason
	asks   string // what has to be so
	errno  string
	local  bool // another place of the same function may pass
	// asked tells which kernels have the rule; nil is all.
	asked func(*subject) bool
	// passes answers; where it says No, refusal tells in words that read on from
	// the place.
	passes  func(*subject) Answer
	refusal func(*subject) string
}

func (s *subject) answer(r *rule) Answer {
	if r.asked != nil && !r.asked(s) {
		return Yes
	}
	return r.passes(s)
}

// rules stand in the kernel's order, but for the notrace rule: the kernel asks
// it first, with the same EINVAL as the ones before it here, which say more.
var rules = []rule{
	{OutsideText, "is in text, or at least in a function", "ENOENT", false, from(5, 18), outsideSymbols, outsideTextRefusal},
	{OutsideText, "is in the text of the kernel or of a module", "EINVAL", false, nil, inText, outsideTextRefusal},
	{NoSymbol, "is in a function that the kernel knows", "ENOENT", false, nil, hasSymbol, words("is in no function that the kernel knows")},
	{BeyondFunction, "is in the function that was named", "", true, nil, withinFunction, beyondFunctionRefusal},
	{ReturnNotAtEntry, "is the entry, if a return probe is wanted", "EINVAL", false, wantsReturn, isEntry, returnRefusal},
	{NoReturn, "returns on the stack that it was called on", "EINVAL", false, wantsReturn, keepsStack, words("returns on another stack than it was called on")},
	{FtraceSite, "is no place of ftrace's, which this kernel's kprobes can't share", "EINVAL", true, withoutOnFtrace, notFtraceSite,
		words("is where ftrace patches, and this kernel is built without CONFIG_KPROBES_ON_FTRACE")},
	// aebfd12521d9 (5.18): before, the bytes that ftrace patches were asked for ahead
	// of all lists; seen on 5.10 as the rest of a blacklisted function's site.
	{InsideInstruction, "is not inside what ftrace patches", "EILSEQ", true, until(5, 18), notInFtraceSite, words("is inside the instruction that ftrace patches")},
	{Blacklisted, "is not on the kprobe blacklist", "EINVAL", false, nil, notBlacklisted, blacklistRefusal},
	{JumpLabel, "is no jump label", "EINVAL", true, nil, outside(patch.JumpLabel), words("is a jump label, which the kernel patches")},
	{StaticCall, "is no static call", "EINVAL", true, nil, outside(patch.StaticCall), words("is a static call, which the kernel patches")},
	{Bug, "is no BUG or WARN", "EINVAL", true, nil, notBug, words("is a BUG or WARN site")},
	// de02f2ac5d8c (6.6): what stands before a function is no code of its own.
	{CFIPrefix, "is not the padding before a function", "EINVAL", false, nil, notPrefixSymbol, words("is padding before a function, not code")},
	{Notrace, "is in a function that ftrace can trace", "EINVAL", false, notraceForbidden, traceable,
		words("is in a function that ftrace can't trace, and this kernel lets no perf or tracefs probe in there")},
	{Misaligned, "is at a multiple of 4", "EINVAL", false, onARM64, aligned, words("is inside an instruction: they are 4 bytes long here, and at multiples of 4")},
	{Exceptions, "may not fault", "EINVAL", true, onARM64, mayNotFault, words("may fault, and this architecture's kernel keeps probes off such instructions")},
	{LockPrefix, "is no lock prefix that was taken out", "EINVAL", true, until(7, 3), opcode(notUnlocked),
		instruction("had a lock prefix that this kernel took out, since it has one CPU, and may put back")},
	{Undecodable, "is reached by decoding the function", "EILSEQ", false, nil, decodable, undecodableRefusal},
	{InsideInstruction, "is where an instruction begins", "EILSEQ", true, nil, onBoundary, insideRefusal},
	// e884edbb844f (6.9): int3 was EINVAL before, the others passed.
	{UD, "does not trap by itself", "EILSEQ", true, from(6, 9), opcode(isNot(isTrap)), instruction("traps by itself")},
	{Int3Padding, "is no int3", "EILSEQ", true, from(6, 9), opcode(isNot(isInt3)), instruction("is padding, or a breakpoint of another debugger")},
	{Int3Padding, "is no int3", "EINVAL", true, until(6, 9), opcode(isNot(isInt3)), instruction("is padding, or a breakpoint of another debugger")},
	{Emulated, "is not for a hypervisor to emulate", "EINVAL", true, nil, opcode(isNot(disasm.Inst.IsEmulated)), instruction("is for a hypervisor to emulate")},
	{MasksExceptions, "does not hold off the debug exception", "EINVAL", true, nil, opcode(isNot(masksExceptions)), instruction("holds off the debug exception")},
	// 6256e668b7af (5.13, and 5.10 since its backport): a branch must be one that
	// the kernel can emulate.
	{FarBranch, "is no far branch", "EOPNOTSUPP", true, nil, opcode(isNot(isFar)), instruction("loads a code segment")},
	{VirtualMachine, "does not change the virtual machine's state", "EOPNOTSUPP", true, nil, opcode(isNot(isVM)), instruction("changes the virtual machine's state")},
	{IndirectMemory, "is no branch whose target is in memory", "EOPNOTSUPP", true, nil, opcode(isNot(isIndirectMemory)), instruction("reads its target from memory")},
	// Measured on 6.1 and 6.12. 7.3 survives it; as no fact tells which kernel does,
	// and a mistake is the end of the machine, it is refused there too.
	{PrefixedCall, "is a call without a prefix, which the kernel gets right", "", true, safe, opcode(isNot(isPrefixedCall)),
		instruction("is a call with a prefix: the kernel accepts a probe there and, up to 6.12 at least, then returns to the wrong address and crashes")},
	{MistakenVector, "is no vector instruction that the kernel takes for a branch", "", true, safe, opcode(isNot(isMistaken)), mistakenRefusal},
	// 6256e668b7af (5.13, and 5.10 since its backport). Measured on 5.10, 6.1, 6.12 and
	// 7.3, the far return read: tests hold it to a module.
	{Misemulated, "is nothing that the kernel does wrongly in the processor's stead", "", true, safe, opcode(isNot(isMisemulated)), misemulatedRefusal},
	// Measured on 6.12: a page fault with the kernel's locks held.
	{EndOfModule, "is in no function that the kernel would read past the end of", "", false, safe, endsWhole, endRefusal},
}

func from(major, minor int) func(*subject) bool {
	return func(s *subject) bool { return !s.Kernel.before(major, minor) }
}

func until(major, minor int) func(*subject) bool {
	return func(s *subject) bool { return s.Kernel.before(major, minor) }
}

func safe(s *subject) bool { return !s.Unsafe }

func onARM64(s *subject) bool          { return s.Kernel.Arch == disasm.ARM64 }
func wantsReturn(s *subject) bool      { return s.Return }
func notraceForbidden(s *subject) bool { return !s.Kernel.NotraceAllowed }

func words(text string) func(*subject) string { return func(*subject) string { return text } }

// 5.18 and later look for the symbol before anything else.
func outsideSymbols(s *subject) Answer {
	if hasSymbol(s) == Yes {
		return Yes
	}
	return inText(s)
}

func inText(s *subject) Answer { return s.InText }

func outsideTextRefusal(s *subject) string {
	const outside = "is outside the text of the kernel and of its modules"
	if s.Func.Name != "" {
		return outside + ": it is data, or code that was dropped after boot"
	}
	return outside
}

// The kernel's search begins at its text: what counts from the start of each
// CPU's own data is no address for it.
func hasSymbol(s *subject) Answer { return AnswerOf(s.Func.Name != "" && s.addr>>63 == 1) }

// The kernel would put the probe into another function.
func withinFunction(s *subject) Answer {
	if s.Func.Size == 0 {
		return Unknown
	}
	return AnswerOf(s.addr-s.Func.Addr < s.Func.Size)
}

func beyondFunctionRefusal(s *subject) string {
	return fmt.Sprintf("is beyond the end of %s, which is %#x bytes long", s.Func.Name, s.Func.Size)
}

func isEntry(s *subject) Answer { return s.entry }

func returnRefusal(s *subject) string {
	return "is not the entry of " + s.Func.Name + ", where a return probe has to stand"
}

// The kernel's kretprobe_blacklist has this one name.
func keepsStack(s *subject) Answer { return AnswerOf(s.Func.Name != "__switch_to") }

func withoutOnFtrace(s *subject) bool { return s.Kernel.OnFtrace == No }

func notFtraceSite(s *subject) Answer {
	switch s.ftraceSite() {
	case Yes:
		return No
	case No:
		return Yes
	}
	return Unknown
}

// notInFtraceSite passes what is not known, too: a later rule asks for the
// instruction.
func notInFtraceSite(s *subject) Answer {
	if s.Patches.Has(patch.Ftrace) {
		e, hit := s.patched(patch.Ftrace, s.addr, s.addr+1)
		return AnswerOf(!hit || e.Addr == s.addr)
	}
	in, ok := s.inst()
	return AnswerOf(!ok || in.Addr == s.addr || in.Addr != s.Func.Addr || s.traced(in) != Yes)
}

func notBlacklisted(s *subject) Answer {
	if !s.blacklist.known {
		return Unknown
	}
	_, listed := s.blacklisted()
	return AnswerOf(!listed)
}

func blacklistRefusal(s *subject) string {
	if r, _ := s.blacklisted(); r.Name != "" && r.Name != s.Func.Name {
		return "is on the kernel's kprobe blacklist, as a part of " + r.Name
	}
	return "is on the kernel's kprobe blacklist"
}

// outside passes what no entry of a kind reaches over.
func outside(k patch.Kind) func(*subject) Answer {
	return func(s *subject) Answer {
		if !s.Patches.Has(k) {
			return Unknown
		}
		_, hit := s.patched(k, s.addr, s.addr+1)
		return AnswerOf(!hit)
	}
}

// The kernel compares addresses here.
func notBug(s *subject) Answer {
	if !s.Patches.Has(patch.Bug) {
		return Unknown
	}
	e, hit := s.patched(patch.Bug, s.addr, s.addr+1)
	return AnswerOf(!hit || e.Addr != s.addr)
}

func aligned(s *subject) Answer { return AnswerOf(s.addr%4 == 0) }

func mayNotFault(s *subject) Answer {
	if !s.Patches.Has(patch.Exception) {
		return Unknown
	}
	e, hit := s.patched(patch.Exception, s.addr, s.addr+1)
	return AnswerOf(!hit || e.Addr != s.addr)
}

func notPrefixSymbol(s *subject) Answer {
	name := s.Func.Name
	return AnswerOf(!strings.HasPrefix(name, "__cfi_") && !strings.HasPrefix(name, "__pfx_"))
}

func traceable(s *subject) Answer {
	if s.Func.Traceable != Unknown || !s.Patches.Has(patch.Ftrace) || s.Func.Size == 0 {
		return s.Func.Traceable
	}
	if _, ok := s.patched(patch.Ftrace, s.Func.Addr, s.Func.end()); ok {
		return Yes
	}
	if s.Func.Base != 0 { // may be traceable in its stead, which these entries don't tell
		return Unknown
	}
	return No
}

func decodable(s *subject) Answer {
	if _, ok := s.inst(); ok {
		return Yes
	}
	if _, bad := s.undecodable(); bad {
		return No
	}
	return Unknown
}

func undecodableRefusal(s *subject) string {
	at, _ := s.undecodable()
	return fmt.Sprintf("is behind bytes at +%#x that are no instruction", at)
}

func onBoundary(s *subject) Answer {
	in, ok := s.inst()
	if !ok {
		return Unknown
	}
	return AnswerOf(in.Addr == s.addr)
}

func insideRefusal(s *subject) string {
	in, _ := s.inst()
	return fmt.Sprintf("is inside an instruction: %s at +%#x is %d bytes long", in, in.Addr-s.Func.Addr, len(in.Bytes))
}
