package capture

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/object"
	"ktrap/internal/value"
)

// Want is what to record of a hit.
type Want struct {
	Return  bool     // the function has returned: its value instead of its arguments
	Inside  bool     // at an instruction behind the entry, where arguments are gone
	Regs    bool     // the registers
	Structs bool     // what arguments point to
	Show    []string // paths from an argument, as btf.Spec.Resolve reads them
	Frames  int      // the deepest stack recorded; 0 for none
	Filter  Filter
	Quiet   bool // nothing: hits are counted
	Once    bool // of one hit only
	If      *Part
	Part    *Part // Unit.Show
	// Operands and Losses are as in Unit.
	Operands []Operand
	Losses   bool
}

// Limits of one record, bytes.
const (
	textSize   = 256  // of a string, with its NUL
	structSize = 4096 // of a struct; its further members are missing
	recordSize = 32 << 10
	maxReads   = 64 // as many as Layout.Faults has bits
)

// Typed is a Unit with what its words and bytes mean.
type Typed struct {
	Unit
	Values []Value // arguments in order, or the returned value
	Shown  []Value // what Want.Show named
	Direct bool    // every argument has a register of its own
	layout Layout
	arch   *arch.Arch
}

// Value is one typed value of a record.
type Value struct {
	*value.Decoder
	Name string
	arg  int // index of the argument whose words hold it; RetWord for the returned one
	word int // bytes into these words
	read int // index of the Read that holds it, or its text; none for neither
	text bool
}

const none = -1

// Check types what w asks for of the function fn, which is 0 where its type is
// not known: then the argument registers, or the register of the returned value,
// stand for what they would be. A mistake in w.Show is a *btf.PathError.
func Check(s *btf.Spec, fn btf.ID, a *arch.Arch, w Want) (*Typed, error) {
	t := &Typed{
		Unit: Unit{Regs: w.Regs, Frames: w.Frames, Filter: w.Filter, Quiet: w.Quiet, Once: w.Once, If: w.If, Show: w.Part, Operands: w.Operands, Losses: w.Losses},
		arch: a,
	}
	var err error
	switch {
	case w.Inside && len(w.Show) > 0:
		err = fmt.Errorf("show %s: arguments are known at a function's entry only", strings.Join(w.Show, ","))
	case w.Inside:
	case w.Quiet:
		t.Direct = true
	case fn == 0 && len(w.Show) > 0:
		err = fmt.Errorf("show %s: the function's types are not known", strings.Join(w.Show, ","))
	case fn == 0:
		t.registers(w)
	default:
		err = t.function(s, fn, w)
	}
	if err != nil {
		return nil, err
	}
	if len(t.Reads)+len(t.Operands) > maxReads {
		return nil, fmt.Errorf("%d reads of memory are more than the %d that one record can hold: ask for less", len(t.Reads), maxReads)
	}
	t.layout = t.LayOut(a)
	if t.layout.Size > recordSize {
		return nil, fmt.Errorf("a record of %d bytes is more than the %d that fit: ask for less", t.layout.Size, recordSize)
	}
	return t, nil
}

// registers records raw words, named as the registers are.
func (t *Typed) registers(w Want) {
	if w.Return {
		t.Ret = 1
		t.Values = []Value{word(t.arch.Regs[t.arch.Rets[0]].Name, RetWord)}
		return
	}
	t.Args = t.arch.Place(make([]int, len(t.arch.Args)))
	for i, r := range t.arch.Args {
		t.Values = append(t.Values, word(t.arch.Regs[r].Name, i))
	}
}

func word(name string, arg int) Value {
	return Value{Decoder: value.Word(name), Name: name, arg: arg, read: none}
}

func (t *Typed) function(s *btf.Spec, fn btf.ID, w Want) error {
	proto, err := s.Proto(fn)
	if err != nil {
		return err
	}
	ret, err := s.Strip(proto.Return)
	if err != nil {
		return err
	}
	t.place(proto.Params, ret)
	t.Direct = ret.Size <= 8
	for _, loc := range t.Args {
		t.Direct = t.Direct && loc.Words == 1 && loc.Reg != arch.OnStack
	}
	roots := proto.Params
	if w.Return {
		roots = t.returned(proto.Return, ret)
	}
	for i, p := range roots {
		if err := t.root(s, i, p, w); err != nil {
			return err
		}
	}
	for i, path := range w.Show {
		if slices.Contains(w.Show[:i], path) {
			continue
		}
		if err := t.show(s, roots, path); err != nil {
			return err
		}
	}
	return nil
}

// inMemory is from how many bytes on a returned struct is written to memory whose
// address the caller passes as a first, hidden argument, and gets back.
const inMemory = 17

// place finds where the arguments are.
func (t *Typed) place(params []btf.Param, ret btf.Type) {
	sizes := make([]int, 0, len(params)+1)
	if ret.Size >= inMemory {
		sizes = append(sizes, 8)
	}
	for _, p := range params {
		sizes = append(sizes, int(p.Size))
	}
	locs := t.arch.Place(sizes)
	t.Args = locs[len(locs)-len(params):]
}

// returned makes the returned value, if there is one, the root of all paths.
func (t *Typed) returned(id btf.ID, ret btf.Type) []btf.Param {
	t.Before, t.Args = len(t.Args), nil
	if ret.Kind == btf.Void {
		return nil
	}
	t.Ret = 1
	if ret.Size > 8 && ret.Size < inMemory {
		t.Ret = 2
	}
	return []btf.Param{{Name: "retval", Type: id, Kind: ret.Kind, Size: ret.Size}}
}

// root adds an argument or the returned value, with the text or, on request, the
// struct that it points to.
func (t *Typed) root(s *btf.Spec, i int, p btf.Param, w Want) error {
	d, err := value.Compile(s, p.Type, p.Name)
	if err != nil {
		return err
	}
	v := Value{Decoder: d, Name: p.Name, arg: t.argument(i), read: none}
	switch {
	case v.arg == RetWord && p.Size >= inMemory:
		v.read = t.read(Read{Arg: RetWord, Offsets: []int{0}, Size: min(int(p.Size), structSize)})
	case s.CharPointer(p.Type):
		v.read, v.text = t.read(Read{Arg: v.arg, Offsets: []int{0}, Size: textSize, String: true}), true
	case w.Structs:
		if d, size := pointee(s, p); d != nil {
			v.Decoder = d
			v.read = t.read(Read{Arg: v.arg, Offsets: []int{0}, Size: min(size, structSize)})
		}
	}
	t.Values = append(t.Values, v)
	return nil
}

func (t *Typed) argument(i int) int {
	if t.Ret > 0 {
		return RetWord
	}
	return i
}

// pointee returns a decoder of the struct or union that p points to, if it
// points to one that is described.
func pointee(s *btf.Spec, p btf.Param) (*value.Decoder, int) {
	ptr, err := s.Strip(p.Type)
	if err != nil || ptr.Kind != btf.Pointer {
		return nil, 0
	}
	to, err := s.Strip(ptr.Elem)
	if err != nil || to.Kind != btf.Struct && to.Kind != btf.Union {
		return nil, 0
	}
	d, err := value.Compile(s, to.ID, p.Name)
	if err != nil {
		return nil, 0
	}
	return d, int(to.Size)
}

// show adds what path leads to. All but a text is read as bytes where it lies.
func (t *Typed) show(s *btf.Spec, roots []btf.Param, path string) error {
	p, err := s.Resolve(roots, path)
	if err != nil {
		return err
	}
	d, err := value.CompilePath(s, p, path)
	if err != nil {
		return err
	}
	v := Value{Decoder: d, Name: path, arg: t.argument(p.Root), read: none}
	offsets := make([]int, 0, len(p.Offsets)+1)
	for _, o := range p.Offsets {
		offsets = append(offsets, int(o))
	}
	if v.arg != RetWord || roots[p.Root].Size < inMemory {
		v.word, offsets = offsets[0], offsets[1:]
	}
	v.text = s.CharPointer(p.Type)
	switch {
	case v.text:
		v.read = t.read(Read{Arg: v.arg, Word: v.word, Offsets: append(offsets, 0), Size: textSize, String: true})
	case len(offsets) > 0:
		v.read = t.read(Read{Arg: v.arg, Word: v.word, Offsets: offsets, Size: min(d.Size(), structSize)})
	}
	t.Shown = append(t.Shown, v)
	return nil
}

// read adds r, unless the same is read already.
func (t *Typed) read(r Read) int {
	for i, have := range t.Reads {
		if have.equal(r) {
			return i
		}
	}
	t.Reads = append(t.Reads, r)
	return len(t.Reads) - 1
}

// Bytes returns what v's decoder takes of a record: its value's bytes, and the
// text that was read behind it.
func (t *Typed) Bytes(record []byte, v Value) ([]byte, value.Str) {
	from, words := t.layout.Ret, t.Ret
	if v.arg != RetWord {
		from, words = t.layout.Args[v.arg], t.Args[v.arg].Words
	}
	raw := record[from+v.word : from+8*words]
	if v.read == none {
		return raw, value.Str{}
	}
	memory := t.memory(record, v.read)
	if v.text {
		return raw, text(memory)
	}
	return memory, value.Str{}
}

// memory is what Reads[i] copied, nil if that could not be read.
func (t *Typed) memory(record []byte, i int) []byte {
	if le.Uint64(record[t.layout.Faults:])>>i&1 != 0 {
		return nil
	}
	return record[t.layout.Reads[i]:][:t.Reads[i].Size]
}

// text is the text in memory up to its NUL; the kernel ends one that it had to
// cut with a NUL too, in the last byte.
func text(memory []byte) value.Str {
	end := bytes.IndexByte(memory, 0)
	switch {
	case end < 0:
		return value.Str{State: value.Unreadable}
	case end == len(memory)-1:
		return value.Str{Bytes: memory[:end], State: value.Cut}
	}
	return value.Str{Bytes: memory[:end], State: value.Whole}
}

// ShowOf returns what Unit.Show recorded, with the word that begins it; nil where it
// recorded nothing.
func (t *Typed) ShowOf(record []byte) []byte {
	if t.Show == nil {
		return nil
	}
	memory := record[t.layout.Show:][:t.Show.Size]
	if le.Uint64(memory) == 0 {
		return nil
	}
	return memory
}

// Arch is the processor that the record's registers are of.
func (t *Typed) Arch() *arch.Arch { return t.arch }

// RegsOf returns the saved struct pt_regs of a record, nil if none was wanted.
func (t *Typed) RegsOf(record []byte) []byte {
	if !t.Regs {
		return nil
	}
	return record[t.layout.Regs:][:t.arch.RegsSize]
}

// LossesOf returns what Unit.Losses asks for.
func (t *Typed) LossesOf(record []byte) uint64 { return le.Uint64(record[t.layout.Losses:]) }

// OperandOf returns what Operands[i] read, nil if it could not be read.
func (t *Typed) OperandOf(record []byte, i int) []byte {
	if le.Uint64(record[t.layout.Faults:])>>(len(t.Reads)+i)&1 != 0 {
		return nil
	}
	return record[t.layout.Operands[i]:][:t.Operands[i].Size]
}

// StackOf returns the return addresses of a record, innermost first.
func (t *Typed) StackOf(record []byte) []uint64 {
	if t.Frames == 0 {
		return nil
	}
	n := int64(le.Uint64(record[t.layout.Stack:]))
	frames := make([]uint64, 0, t.Frames)
	for i := range max(n, 0) / 8 {
		frames = append(frames, le.Uint64(record[t.layout.Stack+8+8*int(i):]))
	}
	return frames
}

// Header is what begins every record.
type Header struct {
	Time     uint64 // ns of CLOCK_MONOTONIC
	PID, TID uint32
	Probe    uint32
	CPU      uint32
	Full     uint64 // hits of the point on this CPU that had found no room by then
	Comm     []byte // without its NUL
}

// ParseHeader reads a record's header.
func ParseHeader(record []byte) Header {
	comm := record[object.CommOffset:][:object.CommSize]
	if end := bytes.IndexByte(comm, 0); end >= 0 {
		comm = comm[:end]
	}
	ids := le.Uint64(record[object.PidOffset:])
	return Header{
		Time:  le.Uint64(record[object.TimeOffset:]),
		PID:   uint32(ids >> 32),
		TID:   uint32(ids),
		Probe: le.Uint32(record[object.ProbeOffset:]),
		CPU:   le.Uint32(record[object.CPUOffset:]),
		Full:  le.Uint64(record[object.LostOffset:]),
		Comm:  comm,
	}
}
