package ktrap

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/internal/way"
)

// PathCall is one call of the function.
type PathCall struct {
	Time   time.Time `json:"time"` // of the return
	CPU    int       `json:"cpu"`
	PID    int       `json:"pid"`
	TID    int       `json:"tid"`
	Comm   string    `json:"comm"`
	Wanted bool      `json:"wanted"` // If is true
	Steps  uint64    `json:"steps"`  // how many it had, not all of which need have been kept
	Way

	of   *Paths
	call *way.Call
}

// Way is the way of one call through its function.
type Way struct {
	Func   string        `json:"func"`
	Result Address       `json:"result"`          // what the return register held
	Error  int64         `json:"error,omitempty"` // the error number that is, below zero
	Errno  string        `json:"errno,omitempty"` // and its name, as ENOENT
	Began  time.Duration `json:"began_ns"`        // since the outermost call began
	Took   time.Duration `json:"took_ns"`
	Blocks []PathBlock   `json:"blocks"`
	// Cut says that steps of it were not kept: those of the first half are, and
	// those of the last.
	Cut     bool      `json:"cut,omitempty"`
	Decided *Decision `json:"decided,omitempty"`
}

// PathBlock is one run of a block, with what it calls.
type PathBlock struct {
	Block  int           `json:"block"`  // of the function's Disassembly; -1 for steps that were not kept
	Offset uint64        `json:"offset"` // bytes from the function's start
	Took   time.Duration `json:"took_ns"`
	Calls  []string      `json:"calls,omitempty"` // what it calls by name; "*" for a call by address
	Inner  []*Way        `json:"inner,omitempty"` // the calls that were followed
	Source *SourceLine   `json:"source,omitempty"`
	// Unseen says that no probe can tell of the block, and no other way leads on.
	Unseen bool `json:"unseen,omitempty"`
	// Unsure says that several ways lead here over blocks that no probe can tell of.
	Unsure bool `json:"unsure,omitempty"`
}

// Decision is the branch after which a call's result was certain, as far as is known.
type Decision struct {
	Func   string      `json:"func"`
	Offset uint64      `json:"offset"` // of the branch; 0 if that step was not kept
	Text   string      `json:"text"`   // what compares, and the branch
	To     uint64      `json:"to"`     // the offset where it led
	Taken  bool        `json:"taken"`
	Source *SourceLine `json:"source,omitempty"`
	// Register is what it compared, if that is known, and Value what it held; or what
	// was returned.
	Register string   `json:"register,omitempty"`
	Value    *Address `json:"value,omitempty"`
	// Returned is the function that had returned what was compared, or the error that
	// the call failed with.
	Returned string `json:"returned,omitempty"`
	// Apart says that none of the calls to compare with, which Others of came by
	// there, went this way.
	Apart  bool `json:"apart,omitempty"`
	Others int  `json:"others,omitempty"`
	// Compared says that this alone was to go by: what it returned is no error.
	Compared bool `json:"compared,omitempty"`
	// Inner is the decision in the call that returned it, if that was followed.
	Inner *Decision `json:"inner,omitempty"`
}

// way is a call as it is shown.
func (w *Paths) way(c *way.Call) Way {
	f := w.followed[c.Func]
	out := Way{
		Func: f.code.Symbol, Result: Address(c.Result), Error: way.ErrorNumber(c.Result),
		Began: time.Duration(c.Began), Took: time.Duration(c.Took), Cut: c.Cut,
	}
	out.Errno = ErrorName(out.Error)
	for _, v := range c.Visits {
		b := PathBlock{Block: v.Block, Took: time.Duration(v.Took), Unseen: v.Unseen, Unsure: v.Unsure}
		if v.Block >= 0 {
			lines := f.code.Lines[f.code.Blocks[v.Block].Start:f.code.Blocks[v.Block].End]
			b.Offset, b.Calls, b.Source = lines[0].Offset, called(lines), madeOf(lines[0])
		}
		for _, in := range v.Inner {
			inner := w.way(in)
			b.Inner = append(b.Inner, &inner)
		}
		out.Blocks = append(out.Blocks, b)
	}
	return out
}

// ErrorName is the name of an error number below zero, as ENOENT of -2; "" for others.
func ErrorName(e int64) string {
	if e == 0 {
		return ""
	}
	if name := unix.ErrnoName(unix.Errno(-e)); name != "" {
		return name
	}
	return kernelErrors[-e]
}

// kernelErrors are those that no process ever sees: include/linux/errno.h.
var kernelErrors = map[int64]string{
	512: "ERESTARTSYS", 513: "ERESTARTNOINTR", 514: "ERESTARTNOHAND", 515: "ENOIOCTLCMD", 516: "ERESTART_RESTARTBLOCK",
	517: "EPROBE_DEFER", 518: "EOPENSTALE", 519: "ENOPARAM", 529: "EIOCBQUEUED", 524: "ENOTSUPP",
}

// errorNumbers are all errors by their names, above zero.
func errorNumbers() map[string]int64 {
	numbers := map[string]int64{}
	for e := int64(-600); e < 0; e++ {
		if name := ErrorName(e); name != "" {
			numbers[name] = -e
		}
	}
	return numbers
}

// called are the functions that some lines call.
func called(lines []Line) (names []string) {
	for _, l := range lines {
		if !splitInstruction(l.Text).isCall() || l.Target == "__fentry__" {
			continue
		}
		name := l.Target
		if name == "" || strings.HasPrefix(name, "__x86_indirect") {
			name = "*"
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func madeOf(l Line) *SourceLine {
	if len(l.Source) == 0 {
		return nil
	}
	return &l.Source[len(l.Source)-1]
}

// decide finds the branch that decided a call, and that of the call within that it
// went by.
func (w *Paths) decide(c *way.Call) *Decision {
	f, flow, others := w.followed[c.Func], &w.flows[c.Func], &w.profiles[c.Func]
	found, ok := flow.Decide(c, others)
	if !ok {
		return nil
	}
	from, next := c.Visits[found.Visit], c.Visits[found.Next]
	if from.Block < 0 {
		return w.within(&Decision{Func: f.code.Symbol, Text: "by steps that were not kept"}, found)
	}
	b := f.code.Blocks[from.Block]
	jump := f.code.Lines[b.End-1]
	t := f.tests[from.Block]
	d := &Decision{
		Func: f.code.Symbol, Offset: jump.Offset, Text: t.text, Source: madeOf(jump), Returned: t.callee,
		Apart: found.Apart, Others: others.Runs(from.Block),
		Compared: way.ErrorNumber(c.Result) == 0,
	}
	if from := found.From; found.Returned && from != found.Visit {
		d.Returned = f.tests[c.Visits[from].Block].callee
	}
	if next.Block >= 0 && found.Next != found.Visit {
		d.To = f.code.Lines[f.code.Blocks[next.Block].Start].Offset
		d.Taken = len(b.Succ) > 0 && b.Succ[0].To == next.Block
	}
	if width := flow.Blocks[from.Block].Width; width > 0 && found.Next != found.Visit && !next.Unseen && !next.Gap {
		value := Address(next.Word)
		if width < 8 {
			value &= 1<<(8*width) - 1
		}
		d.Register, d.Value = t.reg, &value
	}
	if found.Returned {
		value := Address(way.ErrorNumber(c.Result))
		d.Register, d.Value = "", &value
		if d.Returned == "" {
			d.Returned = "a function that is called by its address"
		}
	}
	if found.Next == found.Visit {
		d.Text = "its result is returned as it is"
	}
	return w.within(d, found)
}

// within adds the decision in the call that returned it.
func (w *Paths) within(d *Decision, found way.Decision) *Decision {
	if found.Inner != nil {
		d.Returned = w.followed[found.Inner.Func].code.Symbol
		d.Inner = w.decide(found.Inner)
	}
	return d
}
