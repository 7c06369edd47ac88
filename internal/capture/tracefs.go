package capture

import (
	"bytes"
	"errors"
	"fmt"

	"ktrap/internal/arch"
	"ktrap/internal/object"
	"ktrap/internal/tracefs"
)

// Fetch is a Unit in the words of kprobe events, for kernels that run no program
// of ours: the kernel records the parts, and Append makes of them the record that
// the program would have written.
//
// There are two events. The first has the words and fits in any buffer. The other
// has what is read from memory. Its size is not known before, because of a text
// the kernel takes as much as there is, and nothing at all of what does not fit
// into a page: then, as if it could not be read, it is missing from the record.
//
// A read of memory that fails leaves what stood in the buffer before. So beside
// each read stands one of a text at the same address: of a text the kernel does
// tell that it could not be read.
type Fetch struct {
	unit   *Unit
	layout Layout
	words  parts
	reads  parts
}

// part is one argument of an event.
type part struct {
	expr  string // what is fetched, and as which type
	text  bool   // of any length
	size  int    // bytes; of a text those that go into the record, with its NUL
	to    int    // where in the record
	fault int    // the Read that failed if this text could not be read, or none
}

type parts []part

func (ps *parts) add(p part) { *ps = append(*ps, p) }

// Hit is what is known of a hit besides an event's own data.
type Hit struct {
	Time     uint64 // ns of CLOCK_MONOTONIC
	PID, TID uint32
	Probe    uint32
	CPU      uint32
}

// eventSize bounds what an event has of a length that is known: it has to fit
// into a page, with the texts.
const eventSize = 3584

// Fetch writes u for kprobe events on a. What can't be had that way is an error.
func (u *Unit) Fetch(a *arch.Arch) (*Fetch, error) {
	if u.If != nil || u.Show != nil {
		return nil, fmt.Errorf("without BPF no expression can be computed")
	}
	if u.Losses {
		return nil, fmt.Errorf("without BPF there are no post-handlers")
	}
	if u.Frames > 0 {
		return nil, fmt.Errorf("without BPF no stack can be recorded")
	}
	w := &fetcher{Fetch: &Fetch{unit: u, layout: u.LayOut(a)}, arch: a}
	w.words.add(part{expr: "$comm:string", text: true, size: object.CommSize, to: object.CommOffset, fault: none})
	w.values()
	// Texts come first: a read that fails may spoil those behind it (b41326b5e0f8).
	for i, r := range u.Reads {
		if err := w.texts(i, r); err != nil {
			return nil, err
		}
	}
	for i, r := range u.Reads {
		if !r.String {
			w.memory(i, r)
		}
	}
	if size := max(w.words.size(), w.reads.size()); size > eventSize {
		return nil, fmt.Errorf("without BPF the kernel records at most %d bytes a hit, and this would be %d: ask for less", eventSize, size)
	}
	return w.Fetch, nil
}

// Words and Reads are the arguments of the two events, as kprobe_events takes
// them. There may be no reads.
func (f *Fetch) Words() []string { return f.words.args() }
func (f *Fetch) Reads() []string { return f.reads.args() }

func (ps parts) args() []string {
	args := make([]string, len(ps))
	for i, p := range ps {
		args[i] = argName(i) + "=" + p.expr
	}
	return args
}

func argName(i int) string { return fmt.Sprintf("a%d", i) }

func (ps parts) size() (n int) {
	for _, p := range ps {
		n += p.width()
	}
	return n
}

const locSize = 4 // of the word that leads to a text

// width is the size of what is at a fixed place in the event.
func (p part) width() int {
	if p.text {
		return locSize
	}
	return p.size
}

// fetcher writes the parts of a Fetch.
type fetcher struct {
	*Fetch
	arch *arch.Arch
}

// texts adds what is read as a text, for its own sake or to tell a failure. An
// object may reach into a page that is not there, so its end is tried too.
func (w *fetcher) texts(i int, r Read) error {
	onStack := r.Arg != RetWord && w.unit.Args[r.Arg].Reg == arch.OnStack
	if !onStack && r.Word%8 != 0 {
		return fmt.Errorf("without BPF no pointer in the middle of a register can be followed")
	}
	p := part{expr: w.read(r, 0) + ":string", text: true, fault: i}
	if r.String {
		p.size, p.to = r.Size, w.layout.Reads[i]
	}
	w.reads.add(p)
	if !r.String && r.Size > 8 {
		p.expr = w.read(r, r.Size-1) + ":string"
		w.reads.add(p)
	}
	return nil
}

// values adds the argument words, the returned one and the registers.
func (w *fetcher) values() {
	for i, loc := range w.unit.Args {
		for word := range loc.Words {
			w.word(w.argument(loc, 8*word), w.layout.Args[i]+8*word)
		}
	}
	for i, r := range w.arch.Rets[:w.unit.Ret] {
		w.word(w.register(r), w.layout.Ret+8*i)
	}
	if w.unit.Regs {
		for i, r := range w.arch.Regs {
			w.word(w.register(i), w.layout.Regs+r.Offset)
		}
	}
}

func (w *fetcher) word(expr string, to int) {
	w.words.add(part{expr: expr + ":x64", size: 8, to: to, fault: none})
}

func (w *fetcher) register(i int) string { return "%" + w.arch.Regs[i].Name }

// argument is the word at offset of an argument.
func (w *fetcher) argument(loc arch.Loc, offset int) string {
	if loc.Reg != arch.OnStack {
		return w.register(w.arch.Args[loc.Reg+offset/8])
	}
	return at(w.arch.StackArg+loc.Stack+offset, w.register(w.arch.SP))
}

// at is what stands offset bytes behind the address that expr is.
func at(offset int, expr string) string { return fmt.Sprintf("%+d(%s)", offset, expr) }

// read is what r reads, from its byte number from on.
func (w *fetcher) read(r Read, from int) string {
	var expr string
	if r.Arg == RetWord {
		expr = w.register(w.arch.Rets[r.Word/8])
	} else {
		expr = w.argument(w.unit.Args[r.Arg], r.Word)
	}
	last := len(r.Offsets) - 1
	for _, offset := range r.Offsets[:last] {
		expr = at(offset, expr)
	}
	return at(r.Offsets[last]+from, expr)
}

const arrayLength = 64 // the kernel's own limit, MAX_ARRAY_LEN

// memory adds Reads[i] in pieces: as many words as there are, then bytes.
func (w *fetcher) memory(i int, r Read) {
	for from := 0; from < r.Size; {
		bits, n := 64, min((r.Size-from)/8, arrayLength)
		if n == 0 {
			bits, n = 8, r.Size-from
		}
		size := n * bits / 8
		w.reads.add(part{
			expr: fmt.Sprintf("%s:x%d[%d]", w.read(r, from), bits, n),
			size: size, to: w.layout.Reads[i] + from, fault: none,
		})
		from += size
	}
}

// Bound is a Fetch whose parts are found in the data of events.
type Bound struct {
	*Fetch
	wordFields, readFields []tracefs.Field
}

// Bind finds f's parts by the formats of its events.
func (f *Fetch) Bind(words, reads tracefs.Format) (*Bound, error) {
	wordFields, err1 := f.words.bind(words)
	readFields, err2 := f.reads.bind(reads)
	return &Bound{f, wordFields, readFields}, errors.Join(err1, err2)
}

func (ps parts) bind(format tracefs.Format) ([]tracefs.Field, error) {
	fields := make([]tracefs.Field, len(ps))
	for i, p := range ps {
		fields[i] = format.Fields[argName(i)]
		if fields[i].Size != p.width() {
			return nil, fmt.Errorf("the kernel gives %d bytes to %s, not %d", fields[i].Size, p.expr, p.width())
		}
	}
	return fields, nil
}

// Comm is the name of the thread that hit, without its NUL.
func (b *Bound) Comm(words []byte) []byte {
	comm, _ := textOf(b.wordFields[0], words)
	return comm
}

// Size is the size of a record, bytes.
func (b *Bound) Size() int { return b.layout.Size }

// Append appends the record of a hit to dst, made of the data of both events; the
// reads may be missing. How many hits found no room before is not known in time:
// the record says 0.
func (b *Bound) Append(dst []byte, h Hit, words, reads []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, b.layout.Size)...)
	record := dst[start:]
	le.PutUint64(record[object.TimeOffset:], h.Time)
	le.PutUint64(record[object.PidOffset:], uint64(h.PID)<<32|uint64(h.TID))
	le.PutUint32(record[object.ProbeOffset:], h.Probe)
	le.PutUint32(record[object.CPUOffset:], h.CPU)
	b.words.fill(record, b.wordFields, words)
	if faults := b.reads.fill(record, b.readFields, reads); b.layout.Faults >= 0 {
		le.PutUint64(record[b.layout.Faults:], faults)
	}
	return dst
}

// fill copies the parts of an event to a record, and returns which Reads failed.
func (ps parts) fill(record []byte, fields []tracefs.Field, data []byte) (faults uint64) {
	for i, p := range ps {
		if !p.text {
			copy(record[p.to:][:p.size], fields[i].Bytes(data))
			continue
		}
		text, ok := textOf(fields[i], data)
		if !ok && p.fault != none {
			faults |= 1 << p.fault
		}
		if p.size > 0 {
			copy(record[p.to:][:p.size-1], text)
		}
	}
	return faults
}

// textOf returns a text without its NUL; ok is false if it could not be read.
// Then the kernel gives it no length, or says so (2e9906f84fc7, until 6.5).
func textOf(f tracefs.Field, data []byte) (text []byte, ok bool) {
	text = f.Dynamic(data)
	whole, _, _ := bytes.Cut(text, []byte{0})
	return whole, len(text) > 0 && string(whole) != "(fault)"
}
