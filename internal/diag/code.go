package diag

import (
	"iter"
	"slices"
	"strings"
)

// A Code names a kind of mistake. It never changes its meaning, so that scripts,
// searches and the documentation can rely on it.
type Code string

// Every code is here; one that is not is a bug of ours.
const (
	// The file is not Go, or its types do not fit.
	Syntax       Code = "syntax"
	Type         Code = "type"
	Undefined    Code = "undefined"
	Unused       Code = "unused"
	Redeclared   Code = "redeclared"
	UnknownField Code = "unknown-field"
	UnknownType  Code = "unknown-type"
	Import       Code = "import"

	// How a handler stands at its probe.
	Directive    Code = "directive"
	NoHandler    Code = "no-handler"
	HandlerName  Code = "handler-name"
	UnknownParam Code = "unknown-param"
	ParamType    Code = "param-type"
	Result       Code = "result"
	Context      Code = "context"

	// Go that cannot be a handler.
	Goroutine   Code = "goroutine"
	Channel     Code = "channel"
	Closure     Code = "closure"
	FuncValue   Code = "func-value"
	Defer       Code = "defer"
	Panic       Code = "panic"
	Float       Code = "float"
	Interface   Code = "interface"
	Method      Code = "method"
	Generic     Code = "generic"
	Slice       Code = "slice"
	StringOp    Code = "string-op"
	Recursion   Code = "recursion"
	Goto        Code = "goto"
	KernelWrite Code = "kernel-write"
	AddressOf   Code = "address-of"
	MapUse      Code = "map-use"
	GlobalInit  Code = "global-init"
	NotGoHere   Code = "not-go-here"

	// Values that cannot be right.
	IndexRange Code = "index-range"
	ShiftRange Code = "shift-range"
	DivideZero Code = "divide-by-zero"
	Argument   Code = "argument"
	Bitfield   Code = "bitfield"

	// Limits.
	TooLong    Code = "too-long"
	TooDeep    Code = "too-deep"
	StackSize  Code = "stack-size"
	KeySize    Code = "key-size"
	ValueSize  Code = "value-size"
	RecordSize Code = "record-size"
	LoopBound  Code = "loop-bound"

	// What the kernel's verifier refused although we did not.
	VerifierMemory     Code = "verifier-memory"
	VerifierNull       Code = "verifier-null"
	VerifierUninit     Code = "verifier-uninitialised"
	VerifierStack      Code = "verifier-stack"
	VerifierMapValue   Code = "verifier-map-value"
	VerifierRecord     Code = "verifier-record"
	VerifierContext    Code = "verifier-context"
	VerifierMisaligned Code = "verifier-misaligned"
	VerifierPointer    Code = "verifier-pointer"
	VerifierLeak       Code = "verifier-leak"
	VerifierRange      Code = "verifier-range"
	VerifierArgument   Code = "verifier-argument"
	VerifierHelper     Code = "verifier-helper"
	VerifierReference  Code = "verifier-reference"
	VerifierLoop       Code = "verifier-loop"
	VerifierComplex    Code = "verifier-complex"
	VerifierLarge      Code = "verifier-large"
	VerifierDeep       Code = "verifier-deep"
	VerifierDead       Code = "verifier-unreachable"
	VerifierInsn       Code = "verifier-instruction"
	VerifierResult     Code = "verifier-result"
	VerifierAttach     Code = "verifier-attach"
	VerifierOther      Code = "verifier-other"
)

var sentences = map[Code]string{
	Syntax:       "The file is not Go.",
	Type:         "Go's type checker refuses the expression or statement.",
	Undefined:    "A name is neither declared in the file, nor a word of handlers, nor a name of the kernel.",
	Unused:       "A variable or import is declared and not used, as Go has it.",
	Redeclared:   "A name is declared twice in one scope, or is a word of handlers.",
	UnknownField: "The kernel's type has no field of that name on this kernel.",
	UnknownType:  "The kernel has no type of that name.",
	Import:       "A handler file imports only unsafe.",

	Directive:    "A //ktrap: directive cannot be read, or stands where it means nothing.",
	NoHandler:    "The file holds no pre, post, ret or fault function for a probe.",
	HandlerName:  "A function is named or shaped like a handler and cannot be one.",
	UnknownParam: "The probed function has no parameter of that name.",
	ParamType:    "A handler's parameter has another type than the probed function's.",
	Result:       "A handler returns something that nothing takes.",
	Context:      "What is asked for does not exist at this kind of probe.",

	Goroutine:   "A handler runs to its end on one CPU: no go statements.",
	Channel:     "There are no channels in a handler.",
	Closure:     "There are no function literals in a handler.",
	FuncValue:   "A function can be called, not kept in a variable.",
	Defer:       "There is no defer in a handler.",
	Panic:       "There is no panic and no recover in a handler.",
	Float:       "The kernel has no floating-point or complex numbers.",
	Interface:   "There are no interfaces, type switches or type assertions in a handler.",
	Method:      "Handlers declare functions, not methods.",
	Generic:     "Handlers declare no type parameters.",
	Slice:       "There are no slices that grow, append or make in a handler.",
	StringOp:    "Strings can be compared, used as keys and emitted, not built or cut.",
	Recursion:   "Functions are inlined, so none may call itself.",
	Goto:        "There is no goto in a handler.",
	KernelWrite: "A handler reads the kernel and never writes to it.",
	AddressOf:   "A handler's own variables have no address.",
	MapUse:      "A map is a package variable, used by index, assignment, delete and the comma-ok form.",
	GlobalInit:  "A package variable begins as zero or as a constant.",
	NotGoHere:   "This part of Go has no meaning in a handler.",

	IndexRange: "A constant index is outside its array.",
	ShiftRange: "A constant shift count is negative.",
	DivideZero: "A constant divisor is zero.",
	Argument:   "A word of handlers is called with something it cannot take.",
	Bitfield:   "A bitfield has no address and no reference.",

	TooLong:    "The file is longer than a handler may be.",
	TooDeep:    "The source is nested too deeply.",
	StackSize:  "The variables of a handler need more than the 512 bytes of an eBPF stack.",
	KeySize:    "A map's key is larger than a key may be.",
	ValueSize:  "A map's value is larger than a value may be.",
	RecordSize: "A record is larger than a record may be.",
	LoopBound:  "A loop may turn more often than a handler may loop.",

	VerifierMemory:     "The verifier does not know that the memory may be read or written there.",
	VerifierNull:       "The verifier cannot rule out that the pointer is nil.",
	VerifierUninit:     "The verifier found a register or a stack slot that is read before it is written.",
	VerifierStack:      "The verifier refuses an access of the stack.",
	VerifierMapValue:   "The verifier cannot rule out an access outside a map's value.",
	VerifierRecord:     "The verifier cannot rule out an access outside a record.",
	VerifierContext:    "The verifier refuses an access of what the program was called with.",
	VerifierMisaligned: "The verifier refuses an access that is not aligned to its size.",
	VerifierPointer:    "The verifier refuses arithmetic on, or a comparison of, a pointer.",
	VerifierLeak:       "The verifier refuses to let a kernel address go where it could be seen.",
	VerifierRange:      "The verifier knows too little about a number that is used as a size or an offset.",
	VerifierArgument:   "The verifier refuses an argument of a helper function.",
	VerifierHelper:     "The kernel, or this kind of program, has no such helper function.",
	VerifierReference:  "The verifier found a way out on which a record is neither submitted nor discarded.",
	VerifierLoop:       "The verifier cannot tell that a loop ends.",
	VerifierComplex:    "The verifier gave up: there are too many ways through the program.",
	VerifierLarge:      "The program has more instructions than this kernel loads.",
	VerifierDeep:       "The program's functions call too deeply, or need too much stack together.",
	VerifierDead:       "The verifier found instructions that nothing reaches, or an end without exit.",
	VerifierInsn:       "This kernel does not know an instruction.",
	VerifierResult:     "The verifier refuses what the program returns.",
	VerifierAttach:     "The verifier refuses the place that the program is for.",
	VerifierOther:      "The verifier refused the program in words that ktrap does not know.",
}

// Explain says in a sentence what a code means; "" if there is no such code.
func (c Code) Explain() string { return sentences[c] }

// Codes yields every code in alphabetic order, with its sentence.
func Codes() iter.Seq2[Code, string] {
	codes := make([]Code, 0, len(sentences))
	for c := range sentences {
		codes = append(codes, c)
	}
	slices.SortFunc(codes, func(a, b Code) int { return strings.Compare(string(a), string(b)) })
	return func(yield func(Code, string) bool) {
		for _, c := range codes {
			if !yield(c, sentences[c]) {
				return
			}
		}
	}
}
