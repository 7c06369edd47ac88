package oneliner

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Follow says how the ways of calls are recorded: see Path.
type Follow struct {
	Calls  int      // how many calls are followed at once, a power of two
	Steps  int      // how many steps are kept of each, a power of two: the first half and the last
	Others uint64   // how many calls are sent for which If is false
	Words  []string // registers: there is a handler for blocks for each
	Inner  bool     // other functions are followed as well
	// Constants are what If may name besides.
	Constants map[string]int64
	Under     uint32 // only threads of processes that descend from this one; 0 for all
}

// Names of the handlers of a Path. That of a block is Block and the register's name,
// that of a followed function's return Back.
const (
	Enter = "enter"
	Done  = "done"
	Back  = "back"
	Block = "block_"
)

// Chunk is how many steps a record of a Path has: pairs of words behind the Head.
const Chunk = 16

// Head are the words that a record of a Path begins with.
type Head int

// The words.
const (
	Steps    Head = iota // how many the call had
	From                 // the first one of this record
	Wanted               // whether If is true
	Began                // when the call began, ns
	Retval               // what it returned
	HeadSize             // words
)

// A step of a Path is a word: the point, how the thread is told from one that takes
// its place, and ns since the call began.
const (
	PointShift = 48
	TagShift   = 40
	TimeMask   = 1<<TagShift - 1
)

// What an expression of a Path may name besides the function's own: how long the call
// took, ns, and the error that it returned, below zero, as a number or as a pointer.
const (
	took   = "took"
	failed = "err"
)

// known declares them for an expression to be checked, and the constants that it may
// name.
func (f *Follow) known() string {
	text := "var " + took + " uint64\n\nvar " + failed + " int64\n\n"
	for _, name := range slices.Sorted(maps.Keys(f.Constants)) {
		text += fmt.Sprintf("const %s = %d\n\n", name, f.Constants[name])
	}
	return text
}

// pathText is what the handlers of a Path share.
const pathText = `package trap

// What a thread runs through is kept in a row, from the entry on: the first half of
// the steps of a call, and the last. One row in four that a thread may have is enough.
const (
	calls = %d
	most  = %d
)

var (
	owner [calls]uint32 // the thread; 0 for a row that is free
	depth [calls]uint32 // calls of the function itself
	used  [calls]uint32 // steps
	sp    [calls]uint64
	began [calls]uint64
	steps [calls * most]uint64 // point, tag, time
	words [calls * most]uint64 // what a register held

	others     uint64 // calls that the condition is false for
	crowded    uint64 // calls that found no row
	unfinished uint64 // calls whose return was not seen
	unbegun    uint64 // returns of calls whose entry was not seen
)

// me is the thread; those that idle share a number, and not a CPU.
func me() uint32 {
	if t := tid(); t != 0 {
		return t
	}
	return 1<<31 | cpu()
}

func find(id, holder uint32) (uint32, bool) {
	for n := uint32(0); n < 4; n++ {
		if row := (id + n) %% calls; owner[row] == holder {
			return row, true
		}
	}
	return 0, false
}

func step(row uint32, at point, word uint64) {
	n := used[row]
	used[row] = n + 1
	if n >= most {
		n = most/2 + n%%(most/2)
	}
	n = (row*most + n) %% (calls * most)
	steps[n] = uint64(at)<<48 | uint64(me()&0xff)<<40 | (nsecs()-began[row])&(1<<40-1)
	words[n] = word
}

// begin is for an entry: of a call that is followed, or of one within it. One that
// does not lie deeper than the thread's last has come after its end.
func begin(top uint64) {
	id := me()
	row, ok := find(id, id)
	if ok && top >= sp[row] {
		unfinished++
	} else if ok {
		depth[row] = depth[row] + 1
		step(row, place(), 0)
		return
	} else if row, ok = find(id, 0); !ok {
		crowded++
		return
	}
	owner[row] = id
	depth[row] = 1
	used[row] = 0
	sp[row] = top
	began[row] = nsecs()
	step(row, place(), 0)
}

// pass is for a block, or for the return of another function.
func pass(word uint64) {
	id := me()
	if row, ok := find(id, id); ok {
		step(row, place(), word)
	}
}

// end is for a return: true if the whole call ends.
func end(result uint64) (uint32, bool) {
	id := me()
	row, ok := find(id, id)
	if !ok {
		unbegun++
		return 0, false
	}
	step(row, place(), result)
	depth[row] = depth[row] - 1
	return row, depth[row] == 0
}

func send(row uint32, wanted bool, result uint64) {
	flag := uint64(1)
	if !wanted {
		flag = 0
		others++
	}
	if wanted || others <= %d {
		n := used[row]
		for c := uint32(0); c < most; c += %d {
			if c < n {
				at := row*most + c
				emit(uint64(n), uint64(c), flag, began[row], result%s)
			}
		}
	}
	owner[row] = 0
}
`

// descends is by generations, of which more than these are rare.
const descends = `
func descends() bool {
	t := current().real_parent
	for n := 0; n < 8; n++ {
		if t.tgid == %d {
			return true
		}
		t = t.real_parent
	}
	return false
}
`

// failure is the error that a function returned: the kernel's are above -4096.
const failure = `
func failure(result uint64) int64 {
	n := int64(result)
	if result>>32 == 0 {
		n = int64(int32(result))
	}
	if n >= -4095 && n < 0 {
		return n
	}
	return 0
}
`

// path is a file whose handlers keep, for each thread that is in the function, what
// it ran through, and send it when it returns.
func (w *writer) path() File {
	var b strings.Builder
	var chunk strings.Builder
	for i := range Chunk {
		fmt.Fprintf(&chunk, ",\n\t\t\t\t\tsteps[(at+%d)%%(calls*most)], words[(at+%d)%%(calls*most)]", i, i)
	}
	fmt.Fprintf(&b, pathText, w.Follow.Calls, w.Follow.Steps, w.Follow.Others, Chunk, chunk.String())
	h := &w.handlers[0]
	entry := h.place
	entry.Return = false
	whose := *w
	whose.Request.If = Expr{}
	act := "begin(r.sp)"
	cond := whose.condition(&handler{})
	if w.Follow.Under != 0 {
		fmt.Fprintf(&b, descends, w.Follow.Under)
		cond = strings.TrimPrefix(cond+" && descends()", " && ")
	}
	if cond != "" {
		act = fmt.Sprintf("if %s {\n\t\tbegin(r.sp)\n\t}", cond)
	}
	fmt.Fprintf(&b, "\n//ktrap:pre %s\nfunc %s(r *regs) {\n\t%s\n}\n", entry, Enter, act)
	for _, reg := range w.Follow.Words {
		fmt.Fprintf(&b, "\n//ktrap:pre\nfunc %s%s(r *regs) {\n\tpass(r.%s)\n}\n", Block, reg, reg)
	}
	if w.Follow.Inner {
		fmt.Fprintf(&b, "\n//ktrap:ret\nfunc %s() {\n\tpass(retval())\n}\n", Back)
	}
	w.done(&b, h, entry.String())
	return File{Text: b.String()}
}

// done writes the handler at the return. Its own names are none that the condition
// may mean a parameter by.
func (w *writer) done(b *strings.Builder, h *handler, at string) {
	row, whole, result := w.free("row"), w.free("whole"), w.free("result")
	cond := h.cond
	if cond == "" {
		cond = "true"
	}
	value, integer := w.free("returned")+"()", ""
	for _, p := range h.params {
		if p.Name == "retval" && isInteger(p.Type) {
			value, integer = "uint64(retval)", "retval"
		}
	}
	if integer == "" {
		fmt.Fprintf(b, "\nfunc %s uint64 { return retval() }\n", value)
	}
	for _, p := range h.params {
		delete(w.Follow.Constants, p.Name)
	}
	used := map[string]bool{}
	names(cond, used)
	for _, name := range slices.Sorted(maps.Keys(w.Follow.Constants)) {
		if used[name] {
			fmt.Fprintf(b, "\nconst %s = %d\n", name, w.Follow.Constants[name])
		}
	}
	before := ""
	if used[took] && w.free(took) == took {
		before += fmt.Sprintf("\t\t%s := nsecs() - began[%s]\n", took, row)
	}
	if used[failed] && w.free(failed) == failed {
		before += fmt.Sprintf("\t\t%s := failure(%s)\n", failed, result)
		b.WriteString(failure)
	}
	fmt.Fprintf(b, "\n//ktrap:ret %s\nfunc %s(%s) {\n\t%s := %s\n\tif %s, %s := end(%s); %s {\n%s\t\tsend(%s, %s, %s)\n\t}\n}\n",
		at, Done, h.used(cond, integer), result, value, row, whole, result, whole, before, row, cond, result)
}
