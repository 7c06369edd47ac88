package patch

import (
	"errors"
	"fmt"

	"ktrap/internal/disasm"
)

// A Source is where tables are read from: an image, or the memory of a running
// kernel. What it can't tell may be nil.
type Source struct {
	Arch   string // as GOARCH has it
	Memory Memory
	// Section finds a section of an image.
	Section func(name string) (addr, size uint64, ok bool)
	// Symbol finds a symbol of the kernel proper.
	Symbol func(name string) (addr uint64, ok bool)
	// Extent is how far it is from a symbol that lies at addr to the next; without
	// it the blacklist can't be read.
	Extent func(addr uint64) (size uint64, ok bool)
	// Text is all that is code, also what is dropped after boot.
	Text []Range
	// Within, if it is not empty, is where entries are wanted.
	Within Range
}

// Memory is kernel memory by address.
type Memory interface {
	ReadMem(p []byte, addr uint64) error
}

// Read reads the tables of the kinds named or, with none named, of all. One that
// the kernel has not, is not there afterwards; the error tells of those that are
// there and can't be read, and comes with a table of the others.
func Read(s Source, want ...Kind) (*Table, error) {
	if len(want) == 0 {
		want = Kinds()
	}
	r := reader{Source: s}
	var errs []error
	for _, k := range want {
		if k == Blacklist {
			errs = append(errs, r.blacklist())
		} else {
			errs = append(errs, r.read(&formats[k]))
		}
	}
	return r.table(), errors.Join(errs...)
}

// maxTable is more than any kernel's largest table; 7.3 has one of 1 MB.
const maxTable = 32 << 20

type reader struct {
	Source
	builder
	early bool // see namesFromStart
}

func (r *reader) read(f *format) error {
	addr, size, ok := r.find(f)
	if !ok {
		return nil
	}
	raw, err := r.bytes(addr, size)
	if err == nil {
		err = r.entries(f, raw, addr)
	}
	if err != nil {
		return fmt.Errorf("read the table of %ss: %w", f.kind, err)
	}
	return nil
}

// find looks for a table by its section, or by the symbols around it.
func (r *reader) find(f *format) (addr, size uint64, ok bool) {
	if f.section != "" && r.Section != nil {
		if addr, size, ok = r.Section(f.section); ok {
			return addr, size, true
		}
	}
	return r.between(f.start, f.stop)
}

func (r *reader) between(start, stop string) (addr, size uint64, ok bool) {
	if r.Symbol == nil {
		return 0, 0, false
	}
	from, ok := r.Symbol(start)
	if !ok {
		return 0, 0, false
	}
	to, ok := r.Symbol(stop)
	return from, to - from, ok && from <= to
}

func (r *reader) bytes(addr, size uint64) ([]byte, error) {
	if size > maxTable {
		return nil, fmt.Errorf("%d bytes at %#x are too many for it", size, addr)
	}
	raw := make([]byte, size)
	return raw, r.Memory.ReadMem(raw, addr)
}

func (r *reader) entries(f *format, raw []byte, addr uint64) error {
	for f.kind == Paravirt && len(raw)%f.strides[0] != 0 {
		raw = append(raw, 0) // the last entry ends before its padding
	}
	stride, err := r.stride(f, raw, addr)
	if err != nil {
		return err
	}
	r.present[f.kind] = true
	if r.Within == (Range{}) {
		if r.Arch != "arm64" && plainSizes[f.kind] != 0 {
			r.addPlain(f, raw, addr, stride)
			return nil
		}
		r.expect(f.kind, len(raw)/stride)
	}
	r.early = f.kind == Bug && r.namesFromStart(raw, addr, stride)
	for at := 0; at+stride <= len(raw); at += stride {
		e := f.decode(record{addr + uint64(at), raw[at : at+stride]})
		if e.Addr == 0 || !r.wanted(e.Addr) {
			continue
		}
		e.Kind = f.kind
		r.add(r.finish(e))
	}
	return nil
}

// plainSizes are those of the kinds whose entries are nothing but addresses on
// x86, bytes.
var plainSizes = [kinds]uint32{Ftrace: 5, Return: 5, CallSite: 5, Endbr: 4, Lock: 1}

func (r *reader) addPlain(f *format, raw []byte, addr uint64, stride int) {
	addrs := make([]uint64, 0, len(raw)/stride)
	for at := 0; at < len(raw); at += stride {
		if e := f.decode(record{addr + uint64(at), raw[at : at+stride]}); e.Addr != 0 && r.inText(e.Addr) {
			addrs = append(addrs, e.Addr)
		}
	}
	r.plain[f.kind] = addrs
}

func (r *reader) wanted(addr uint64) bool {
	if r.Within != (Range{}) {
		return r.Within.contains(addr)
	}
	return r.inText(addr)
}

// stride tries how long the entries are: nearly all must lie in text then, and
// all that are none be zero, as ftrace's of functions that the linker dropped.
func (r *reader) stride(f *format, raw []byte, addr uint64) (int, error) {
	best, share := 0, 0.0
	for _, stride := range f.strides {
		if len(raw)%stride != 0 {
			continue
		}
		if s := r.share(f, raw, addr, stride); s > share {
			best, share = stride, s
		}
	}
	if share < 0.9 {
		return 0, fmt.Errorf("%d bytes at %#x do not look like it, whether an entry has %v bytes", len(raw), addr, f.strides)
	}
	return best, nil
}

// share is how many of the entries are in text, going by a part of a long table;
// all if there are none.
func (r *reader) share(f *format, raw []byte, addr uint64, stride int) float64 {
	const looked = 1000 // entries, or up to twice as many
	good, all := 0, 0
	step := stride * max(1, len(raw)/stride/looked)
	for at := 0; at < len(raw); at += step {
		e := f.decode(record{addr + uint64(at), raw[at : at+stride]})
		switch {
		case e.Addr == 0:
			continue
		case r.inText(e.Addr) && e.Size >= 0:
			good++
		}
		all++
	}
	if all == 0 {
		return 1
	}
	return float64(good) / float64(all)
}

func (r *reader) inText(addr uint64) bool {
	for _, t := range r.Text {
		if t.contains(addr) {
			return true
		}
	}
	return len(r.Text) == 0
}

// finish completes an entry with what its code tells.
func (r *reader) finish(e Entry) Entry {
	if r.Arch == "arm64" {
		return r.finishARM64(e)
	}
	switch e.Kind {
	case Ftrace, Return, CallSite, Endbr, Lock:
		e.Size = int(plainSizes[e.Kind])
	case StaticCall:
		e.Size = 5
	case JumpLabel, Exception, Bug, Retpoline:
		e.Size = r.length(e.Addr)
	}
	if r.early {
		e.Ref -= 4
	}
	return e
}

// namesFromStart tells whether distances are counted from where a BUG's entry
// begins, and not from the word that tells them, as they are since 5.19: before
// a name there is the end of another one, unless the two share it.
func (r *reader) namesFromStart(raw []byte, addr uint64, stride int) bool {
	var before [5]byte
	old, now := 0, 0
	for at := 0; at+stride <= min(len(raw), 100*stride); at += stride {
		if r.Memory.ReadMem(before[:], bug(record{addr + uint64(at), raw[at : at+stride]}).Ref-5) != nil {
			continue
		}
		if before[0] == 0 {
			old++
		}
		if before[4] == 0 {
			now++
		}
	}
	return old > now
}

// length is that of the x86 instruction at addr; 5, as most patched ones have, if
// its code is gone.
//
// ab3257042c26 (5.14): a jump label's may be short.
func (r *reader) length(addr uint64) int {
	var code [disasm.MaxLength]byte
	if r.Memory.ReadMem(code[:], addr) == nil {
		if n, err := disasm.Length(code[:]); err == nil {
			return n
		}
	}
	return 5
}

// finishARM64 moves an ftrace site from what the compiler noted, the first nop
// of the function, to the instruction that is patched: the second nop that is
// behind an entry, where two nops for a pointer may stand before.
func (r *reader) finishARM64(e Entry) Entry {
	e.Size = 4
	if e.Kind != Ftrace {
		return e
	}
	const nop, bti = 0xd503201f, 0xd503245f
	var code [20]byte
	if r.Memory.ReadMem(code[:], e.Addr) != nil {
		return e
	}
	word := func(i int) uint32 { return le.Uint32(code[4*i:]) }
	switch {
	case word(0) != nop || word(1) != nop:
	case word(2) == nop && word(3) == nop:
		e.Addr += 12
	case word(2) == bti && word(3) == nop && word(4) == nop:
		e.Addr += 16
	default:
		e.Addr += 4
	}
	return e
}

// blacklist reads the functions that NOKPROBE_SYMBOL names, and the sections of
// which all is forbidden.
func (r *reader) blacklist() error {
	addr, size, ok := r.between("__start_kprobe_blacklist", "__stop_kprobe_blacklist")
	if !ok || r.Extent == nil {
		return nil
	}
	raw, err := r.bytes(addr, size)
	if err != nil {
		return fmt.Errorf("read the kprobe blacklist: %w", err)
	}
	r.present[Blacklist] = true
	for ; len(raw) >= 8; raw = raw[8:] {
		function := le.Uint64(raw)
		if size, ok := r.Extent(function); ok && r.inText(function) {
			r.forbid(function, size)
		}
	}
	for _, section := range []string{"__kprobes_text", "__noinstr_text", "__entry_text", "__irqentry_text"} {
		if section == "__irqentry_text" && r.Arch != "arm64" {
			continue
		}
		if addr, size, ok := r.between(section+"_start", section+"_end"); ok {
			r.forbid(addr, size)
		}
	}
	return nil
}

func (r *reader) forbid(addr, size uint64) {
	if size > 0 && size < maxTable && (r.Within == Range{} || addr < r.Within.End && r.Within.Start < addr+size) {
		r.add(Entry{Kind: Blacklist, Addr: addr, Size: int(size)})
	}
}
