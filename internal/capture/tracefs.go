package capture

import (
	"bytes"
	"fmt"

	"ktrap/internal/arch"
	"ktrap/internal/object"
	"ktrap/internal/tracefs"
)

// Fetch is a Unit in the words of a kprobe event, for kernels that run no
// program of ours: the kernel records the parts, Append makes of them the record
// that the program would have written.
//
// A memory read that fails leaves whatever stood in the buffer before. So beside
// each read stands another, of a text at the same address: of a text the kernel
// does tell that it could not be read.
type Fetch struct {
	unit   *Unit
	layout Layout
	parts  []part
	size   int // of the parts, bytes
}

// part is one argument of the event.
type part struct {
	expr  string // what is fetched, and as which type
	text  bool   // of any length
	size  int    // bytes; of a text, at most, with its NUL
	to    int    // where it goes in the record; nowhere if 0
	fault int    // the bit of the Read that failed if the text could not be read; or none
}

// Hit is what is known of a hit besides the event's own data.
type Hit struct {
	Time     uint64 // ns of CLOCK_MONOTONIC
	PID, TID uint32
	Probe    uint32
	CPU      uint32
}

// eventSize bounds the parts: an event has to fit into a page, together with as
// much of a text as the kernel finds up to its NUL.
const eventSize = 3584

// Fetch writes u for a kprobe event on a. What can't be had that way is an error.
func (u *Unit) Fetch(a *arch.Arch) (*Fetch, error) {
	if u.Frames > 0 {
		return nil, fmt.Errorf("without BPF no stack can be recorded")
	}
	f := &Fetch{unit: u, layout: u.LayOut(a)}
	// Texts come first: up to 6.1 a read that fails spoils the texts behind it.
	f.add(part{expr: "$comm:string", text: true, size: object.CommSize, to: object.CommOffset, fault: none})
	w := &fetcher{Fetch: f, arch: a}
	for i, r := range u.Reads {
		if err := w.texts(i, r); err != nil {
			return nil, err
		}
	}
	w.words()
	for i, r := range u.Reads {
		if !r.String {
			w.memory(i, r)
		}
	}
	if f.size > eventSize {
		return nil, fmt.Errorf("without BPF the kernel records at most %d bytes a hit, and this would be %d: ask for less", eventSize, f.size)
	}
	return f, nil
}

func (f *Fetch) add(p part) {
	f.parts = append(f.parts, p)
	f.size += p.size
}

// Args are the event's arguments as kprobe_events takes them.
func (f *Fetch) Args() []string {
	args := make([]string, len(f.parts))
	for i, p := range f.parts {
		args[i] = argName(i) + "=" + p.expr
	}
	return args
}

func argName(i int) string { return fmt.Sprintf("a%d", i) }

// fetcher writes the parts of a Fetch.
type fetcher struct {
	*Fetch
	arch *arch.Arch
}

// texts adds what is read as a text, for its own sake or to tell a failure. An
// object may reach into a page that is not there, so its end is tried too.
func (w *fetcher) texts(i int, r Read) error {
	if r.Arg != RetWord && w.unit.Args[r.Arg].Reg != arch.OnStack && r.Word%8 != 0 {
		return fmt.Errorf("without BPF no pointer in the middle of a register can be followed")
	}
	p := part{expr: w.read(r, 0) + ":string", text: true, fault: i}
	if r.String {
		p.size, p.to = r.Size, w.layout.Reads[i]
		w.add(p)
		return nil
	}
	w.add(p)
	if r.Size > 8 {
		p.expr = w.read(r, r.Size-1) + ":string"
		w.add(p)
	}
	return nil
}

// words adds the argument words, the returned one and the registers.
func (w *fetcher) words() {
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
	w.add(part{expr: expr + ":x64", size: 8, to: to, fault: none})
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
	expr := w.register(w.arch.Rets[0])
	if r.Arg != RetWord {
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
		w.add(part{
			expr: fmt.Sprintf("%s:x%d[%d]", w.read(r, from), bits, n),
			size: size, to: w.layout.Reads[i] + from, fault: none,
		})
		from += size
	}
}

// Bound is a Fetch whose parts are found in the data of one event.
type Bound struct {
	*Fetch
	fields []tracefs.Field
}

// Bind finds f's parts by the event's format.
func (f *Fetch) Bind(format tracefs.Format) (*Bound, error) {
	b := &Bound{Fetch: f}
	for i, p := range f.parts {
		field, ok := format.Fields[argName(i)]
		if want := p.width(); !ok || field.Size != want {
			return nil, fmt.Errorf("the kernel gives %d bytes to %s, not %d", field.Size, p.expr, want)
		}
		b.fields = append(b.fields, field)
	}
	return b, nil
}

const locSize = 4 // of the word that leads to a text

func (p part) width() int {
	if p.text {
		return locSize
	}
	return p.size
}

// Comm is the name of the thread that hit, without its NUL.
func (b *Bound) Comm(data []byte) []byte {
	comm, _ := textOf(b.fields[0], data)
	return comm
}

// Size is the size of a record, bytes.
func (b *Bound) Size() int { return b.layout.Size }

// Boundless tells that an event may be too large for the kernel to record, because
// of the texts in it.
func (b *Bound) Boundless() bool { return len(b.unit.Reads) > 0 }

// Append appends the record of a hit to dst. How many hits found no room before
// is not known in time: its record says 0.
func (b *Bound) Append(dst []byte, h Hit, data []byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, b.layout.Size)...)
	record := dst[start:]
	le.PutUint64(record[object.TimeOffset:], h.Time)
	le.PutUint64(record[object.PidOffset:], uint64(h.PID)<<32|uint64(h.TID))
	le.PutUint32(record[object.ProbeOffset:], h.Probe)
	le.PutUint32(record[object.CPUOffset:], h.CPU)
	var faults uint64
	for i, p := range b.parts {
		if !p.text {
			copy(record[p.to:][:p.size], b.fields[i].Bytes(data))
			continue
		}
		text, ok := textOf(b.fields[i], data)
		if !ok && p.fault != none {
			faults |= 1 << p.fault
		}
		if p.size > 0 {
			copy(record[p.to:][:p.size-1], text)
		}
	}
	if b.layout.Faults >= 0 {
		le.PutUint64(record[b.layout.Faults:], faults)
	}
	return dst
}

// textOf returns a text without its NUL; ok is false if it could not be read.
// Older kernels give it no length then, newer ones "(fault)" (2e9906f84fc7, 6.4).
func textOf(f tracefs.Field, data []byte) (text []byte, ok bool) {
	text = f.Dynamic(data)
	whole, _, _ := bytes.Cut(text, []byte{0})
	return whole, len(text) > 0 && string(whole) != "(fault)"
}
