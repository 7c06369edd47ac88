package verifier

import (
	"regexp"
	"sync"

	"ktrap/internal/diag"
)

// sentence is one of the verifier's, what it means for a handler, and what helps.
type sentence struct {
	pattern func() *regexp.Regexp // the group "insn" is the guilty instruction's slot
	code    diag.Code
	msg     string // with $1, as regexp's Expand has it
	hint    string
	whole   bool // speaks of the program, not of an instruction
}

// bug is the hint where nothing in a handler can be at fault.
const bug = "this is a bug of ktrap: please report it with the file and the kernel's version"

func words(pattern string, code diag.Code, msg, hint string) sentence {
	return sentence{pattern: lazily(pattern), code: code, msg: msg, hint: hint}
}

// lazily compiles a pattern when it is asked for: to start is no time for it, and
// most commands never see the verifier.
func lazily(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}

func program(pattern string, code diag.Code, msg, hint string) sentence {
	s := words(pattern, code, msg, hint)
	s.whole = true
	return s
}

// sentences are tried in this order on each line: what is more special first.
// All are of kernel/bpf/verifier.c between 5.10 and 7.3.
var sentences = []sentence{
	words(`R\d+ invalid mem access '\w*or_null\w*'`, diag.VerifierNull,
		"a pointer that may be nil is followed", "compare it with nil first"),
	words(`pointer arithmetic on \w*or_null\w* prohibited`, diag.VerifierNull,
		"a pointer that may be nil is moved", "compare it with nil first"),
	words(`R\d+ invalid mem access '(?:inv|scalar)'`, diag.VerifierMemory,
		"a number is followed as if it were a pointer", "cast[T](p) makes a pointer of it that is read with care"),
	words(`R\d+ invalid mem access '([^']*)'`, diag.VerifierMemory,
		"a $1 is followed as if it were memory", "cast[T](p) makes a pointer of it that is read with care"),
	words(`access beyond struct (\w+) at off (\d+) size (\d+)`, diag.VerifierMemory,
		"the field is outside of struct $1 on this kernel", "cast[T](p) reads it with care"),
	words(`only read is supported|cannot write into`, diag.VerifierMemory,
		"the kernel's memory is written", "a handler only reads the kernel"),
	words(`(R\d+) !read_ok`, diag.VerifierUninit, "$1 is read before it is written", bug),
	words(`invalid (?:indirect )?read from stack.* off -?\d+\+`, diag.VerifierUninit,
		"a part of the stack is read that was never written", bug),
	words(`invalid (?:indirect |unbounded |variable-offset )*(?:read|write|access)\w* (?:from|to|of) (?:\w+ )?stack`, diag.VerifierStack,
		"an access lies outside of the stack", "shorter strings and fewer variables need less of it"),
	words(`invalid stack (?:type|off)|invalid size of register (?:spill|fill)|corrupted spill|attempt to corrupt spilled|frame pointer is read only`, diag.VerifierStack,
		"the stack is not used as it may be", bug),
	words(`misaligned (\w+) access`, diag.VerifierMisaligned,
		"an access of the $1 is not aligned to its size", bug),
	words(`invalid access to map value, value_size=(\d+) off=(-?\d+) size=(\d+)`, diag.VerifierMapValue,
		"$3 bytes at $2 of a map's value or variable of $1 bytes", "bound the index: if i < N { … }"),
	words(`invalid access to (?:memory|mem region), mem_size=(\d+) off=(-?\d+) size=(\d+)`, diag.VerifierRecord,
		"$3 bytes at $2 of a record of $1 bytes", "bound the index: if i < N { … }"),
	words(`unbounded memory access, use 'var &= const'`, diag.VerifierRange,
		"a size has no upper bound", "bound it: if n > 64 { n = 64 }"),
	words(`min value is negative, either use unsigned`, diag.VerifierRange,
		"a size or index may be below zero", "use an unsigned type, or compare it with zero first"),
	words(`unbounded memory access, make sure to bounds check`, diag.VerifierMapValue,
		"an index has no upper bound", "bound the index: if i < N { … }"),
	words(`R\d+ (?:min|max) value is outside of the|Access outside bounds`, diag.VerifierMapValue,
		"an index may be outside of its array", "bound the index: if i < N { … }"),
	words(`invalid zero-sized read`, diag.VerifierRange, "a size may be zero", "compare it with zero first"),
	words(`div by zero`, diag.VerifierRange, "a constant divisor is zero", ""),
	words(`invalid shift (-?\d+)`, diag.VerifierRange, "a shift by $1 bits", ""),
	words(`Unreleased reference|would lead to reference leak|reference has not been acquired`, diag.VerifierReference,
		"a record is not given back on each way out", bug),
	words(`stores into R\d+ ctx is not allowed`, diag.VerifierContext, "the context is written", "a handler only reads the kernel"),
	words(`invalid bpf_context access off=(\d+) size=(\d+)`, diag.VerifierContext,
		"$2 bytes at $1 of what the program is called with cannot be read here", "another way of attaching may have it: see ktrap why"),
	words(`doesn't have (\d+)-th argument|func '(\w+)' arg\d+|func '\w+' offset \d+`, diag.VerifierContext,
		"the function has no such argument that can be read here", "another way of attaching may have it: see ktrap why"),
	words(`dereference of modified (\w+) ptr`, diag.VerifierContext, "the context is read through a moved pointer", bug),
	words(`math between (\w+) pointer and`, diag.VerifierPointer,
		"an index without bounds is added to a pointer", "bound the index: if i < N { … }"),
	words(`value -?\d+ makes \w+ pointer be out of bounds|makes pc out of bounds`, diag.VerifierPointer,
		"an index is added to a pointer that is far too large", "bound the index: if i < N { … }"),
	words(`operator \S+ on pointer prohibited|pointer arithmetic with \S+ operator prohibited|pointer \S+ pointer prohibited|32-bit pointer arithmetic prohibited|pointer arithmetic on \w+ prohibited|partial copy of pointer|pointer comparison prohibited|subtract pointer from scalar`, diag.VerifierPointer,
		"a pointer is used in arithmetic", "uintptr(unsafe.Pointer(p)) is its number"),
	words(`leaks addr|leak pointer|leaks addr into`, diag.VerifierLeak, "an address of the kernel goes where it could be seen", ""),
	words(`(?:unknown func|cannot use helper) (\w+)#\d+`, diag.VerifierHelper,
		"$1 does not exist for this kind of probe", "another way of attaching, or a newer kernel, may have it: see ktrap doctor"),
	words(`invalid func unknown#(\d+)|invalid func`, diag.VerifierHelper,
		"this kernel has no helper $1", "a newer kernel may have it: see ktrap doctor"),
	words(`calling kernel function (\w+) is not allowed|kernel (?:function|btf_id) .*(?:not found|is not a function)`, diag.VerifierHelper,
		"$1 may not be called by this kind of probe", "another way of attaching may have it: see ktrap doctor"),
	words(`cannot call GPL-restricted function`, diag.VerifierHelper, "a helper is only for programs under the GPL", bug),
	words(`(R\d+) type=(\S+) expected=(.*)`, diag.VerifierArgument, "a helper is given $2 and takes $3", bug),
	words(`infinite loop detected at insn (?P<insn>\d+)`, diag.VerifierLoop,
		"the loop may never end", "bound it: for i := 0; i < N && …; i++"),
	words(`back-edge from insn (?P<insn>\d+) to`, diag.VerifierLoop,
		"this kernel runs no loops", "bound it: for i := 0; i < N && …; i++"),
	words(`BPF program is too large\. Processed (\d+) insn`, diag.VerifierComplex,
		"after $1 steps there were still ways through the program to try", "fewer turns of loops, or less in them; fewer branches before them"),
	words(`sequence of (\d+) jumps is too complex`, diag.VerifierComplex,
		"there are too many branches to try", "fewer branches, or several handlers"),
	program(`program is too large|too many instructions`, diag.VerifierLarge,
		"the program has more instructions than this kernel loads", "make it several handlers"),
	program(`combined stack size of (\d+) calls is (\d+)|call stack of (\d+) frames is too deep`, diag.VerifierDeep,
		"the program needs too much stack", "shorter strings and fewer variables need less of it"),
	words(`(?:unreachable|jump out of range from) insn (?P<insn>\d+)`, diag.VerifierDead,
		"nothing leads to an instruction", bug),
	program(`last insn is not an exit|jump into the middle of ldimm64|no program starts`, diag.VerifierDead,
		"the program does not end", bug),
	program(`unknown opcode ([0-9a-f]+)`, diag.VerifierInsn, "this kernel does not know the instruction $1", bug),
	words(`uses reserved fields|R\d+ is invalid|invalid BPF_LD|unrecognized bpf_ld_imm64|BPF_ATOMIC uses invalid`, diag.VerifierInsn,
		"an instruction is not as it should be", bug),
	words(`At program exit the register R0`, diag.VerifierResult, "the program returns what it may not", bug),
	program(`attach_btf_id|is not traceable|is not a function|Attach to .* is not allowed|not supported for tracing`, diag.VerifierAttach,
		"no program can be bound to this function", "see ktrap why"),
}
