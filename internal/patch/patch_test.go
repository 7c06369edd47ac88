package patch

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const text, tables = 0xffffffff81000000, 0xffffffff82000000

// A kernel is memory in which a test lays out tables; it has code at text.
type kernel struct {
	at       uint64
	bytes    []byte
	sections map[string][2]uint64
	symbols  map[string]uint64
}

func (k *kernel) ReadMem(p []byte, addr uint64) error {
	clear(p)
	for i := range p {
		if at := addr + uint64(i) - k.at; at < uint64(len(k.bytes)) {
			p[i] = k.bytes[at]
		}
	}
	return nil
}

// section lays out a table of words; one that is an address becomes relative to
// where it stands if the table is of 32-bit words.
func (k *kernel) section(name string, words ...any) {
	start := uint64(len(k.bytes))
	for _, w := range words {
		here := k.at + uint64(len(k.bytes))
		switch w := w.(type) {
		case uint64:
			k.bytes = binary.LittleEndian.AppendUint32(k.bytes, uint32(w-here))
		case *uint64:
			k.bytes = binary.LittleEndian.AppendUint64(k.bytes, *w)
		case far:
			k.bytes = binary.LittleEndian.AppendUint64(k.bytes, uint64(w)-here)
		case int:
			k.bytes = binary.LittleEndian.AppendUint16(k.bytes, uint16(w))
		case string:
			k.bytes = append(k.bytes, w...)
		}
	}
	k.sections[name] = [2]uint64{k.at + start, uint64(len(k.bytes)) - start}
	k.symbols["__start_"+name], k.symbols["__stop_"+name] = k.at+start, k.at+uint64(len(k.bytes))
}

func newKernel() *kernel {
	return &kernel{at: tables, sections: map[string][2]uint64{}, symbols: map[string]uint64{}}
}

func (k *kernel) source() Source {
	return Source{
		Arch:   "amd64",
		Memory: k,
		Section: func(name string) (uint64, uint64, bool) {
			s, ok := k.sections[name]
			return s[0], s[1], ok
		},
		Symbol: func(name string) (uint64, bool) { s, ok := k.symbols[name]; return s, ok },
		Extent: func(uint64) (uint64, bool) { return 0x30, true },
		Text:   []Range{{text, text + 0x100000}},
	}
}

// far is an address that a 64-bit word tells by its distance.
type far uint64

func at(offset uint64) uint64 { return text + offset }

func pointer(addr uint64) *uint64 { return &addr }

func TestEachTableIsReadAsEachKernelHasIt(t *testing.T) {
	const key, file = uint64(0xffffffff83000010), uint64(0xffffffff82400000)
	for _, c := range []struct {
		name string
		kind Kind
		lay  func(*kernel)
		want []Entry
	}{
		{"mcount_loc, of which the linker dropped one", Ftrace,
			func(k *kernel) { k.section("mcount_loc", pointer(at(0x40)), pointer(0), pointer(at(0x20))) },
			[]Entry{{Kind: Ftrace, Addr: at(0x20), Size: 5}, {Kind: Ftrace, Addr: at(0x40), Size: 5}}},
		{"jump labels", JumpLabel,
			func(k *kernel) { k.section("__jump_table", at(0x20), at(0x80), far(key|2)) },
			[]Entry{{Kind: JumpLabel, Addr: at(0x20), Size: 2, Target: at(0x80), Ref: key}}},
		{"static calls", StaticCall,
			func(k *kernel) { k.section("static_call_sites", at(0x20), key|1, at(0x10), key) },
			[]Entry{{Kind: StaticCall, Addr: at(0x10), Size: 5, Ref: key}, {Kind: StaticCall, Addr: at(0x20), Size: 5, Ref: key, Flag: true}}},
		{"exceptions of 12 bytes", Exception,
			func(k *kernel) { k.section("__ex_table", at(0x20), at(0x90), 1, 0) },
			[]Entry{{Kind: Exception, Addr: at(0x20), Size: 2, Target: at(0x90)}}},
		{"BUGs of 12 bytes", Bug,
			func(k *kernel) { k.section("__bug_table", at(0x20), file, 77, 1, at(0x30), file, 78, 0) },
			[]Entry{{Kind: Bug, Addr: at(0x20), Size: 2, Ref: file, Number: 77, Flag: true}, {Kind: Bug, Addr: at(0x30), Size: 2, Ref: file, Number: 78}}},
		{"BUGs of 16 bytes", Bug,
			func(k *kernel) {
				k.section("__bug_table", at(0x20), uint64(0), file, 77, 1, at(0x30), uint64(0), file, 78, 0, at(0x40), uint64(0), file, 79, 0)
			},
			[]Entry{{Kind: Bug, Addr: at(0x20), Size: 2, Ref: file, Number: 77, Flag: true}, {Kind: Bug, Addr: at(0x30), Size: 2, Ref: file, Number: 78}, {Kind: Bug, Addr: at(0x40), Size: 2, Ref: file, Number: 79}}},
		{"alternatives of 12 bytes", Alternative,
			func(k *kernel) {
				k.section(".altinstructions", at(0x20), file, 117|1<<15, "\x05\x05", at(0x40), file, 118, "\x03\x03")
			},
			[]Entry{{Kind: Alternative, Addr: at(0x20), Size: 5, Target: file, Number: 117, Flag: true}, {Kind: Alternative, Addr: at(0x40), Size: 3, Target: file, Number: 118}}},
		{"alternatives of 14 bytes", Alternative,
			func(k *kernel) { k.section(".altinstructions", at(0x20), file, 117, 1, "\x05\x05") },
			[]Entry{{Kind: Alternative, Addr: at(0x20), Size: 5, Target: file, Number: 117, Flag: true}}},
		{"return sites", Return,
			func(k *kernel) { k.section(".return_sites", at(0x40), at(0x20)) },
			[]Entry{{Kind: Return, Addr: at(0x20), Size: 5}, {Kind: Return, Addr: at(0x40), Size: 5}}},
		{"lock prefixes, filled up to a page", Lock,
			func(k *kernel) { k.section(".smp_locks", at(0x20), "\x00\x00\x00\x00\x00\x00\x00\x00") },
			[]Entry{{Kind: Lock, Addr: at(0x20), Size: 1}}},
		{"paravirt calls, of which the last lacks its padding", Paravirt,
			func(k *kernel) {
				k.section(".parainstructions", pointer(at(0x20)), "\x1e\x06      ", pointer(at(0x40)), "\x1f\x07\x00\x00")
			},
			[]Entry{{Kind: Paravirt, Addr: at(0x20), Size: 6, Number: 0x1e}, {Kind: Paravirt, Addr: at(0x40), Size: 7, Number: 0x1f}}},
		{"the blacklist", Blacklist,
			func(k *kernel) {
				k.section("kprobe_blacklist", pointer(at(0x20)), pointer(0))
				k.symbols["__noinstr_text_start"], k.symbols["__noinstr_text_end"] = at(0x1000), at(0x1800)
			},
			[]Entry{{Kind: Blacklist, Addr: at(0x20), Size: 0x30}, {Kind: Blacklist, Addr: at(0x1000), Size: 0x800}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := newKernel()
			c.lay(k)
			table, err := Read(k.source())
			if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(c.want, slices.Collect(table.All(c.kind))); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			for _, other := range Kinds() {
				if table.Has(other) != (other == c.kind) {
					t.Errorf("there is a table of %ss: %t", other, table.Has(other))
				}
			}
		})
	}
}

func TestAFileNameIsFoundFromWhereItsKernelCountsFrom(t *testing.T) {
	for _, c := range []struct {
		name  string
		shift uint64 // what the entry's start is before the word
	}{{"5.10", 4}, {"6.1", 0}} {
		k := newKernel()
		file := uint64(tables + 1)
		k.bytes = []byte("\x00init/main.c\x00")
		k.section("__bug_table", at(0x20), file+c.shift, 77, 1)
		table, err := Read(k.source(), Bug)
		if err != nil {
			t.Error(err)
		}
		for e := range table.All(Bug) {
			if e.Ref != file {
				t.Errorf("%s: the file's name is at %#x, want %#x", c.name, e.Ref, file)
			}
		}
	}
}

func TestATableThatPointsNowhereIsAnErrorAndNoTable(t *testing.T) {
	k := newKernel()
	k.section("__ex_table", uint64(0x1000), uint64(0x2000), 0, 0)
	k.section("static_call_sites", at(0x20), at(0x30))
	table, err := Read(k.source())
	const want = "read the table of exceptions: 12 bytes at 0xffffffff82000000 do not look like it, whether an entry has [12 8] bytes"
	if err == nil || err.Error() != want {
		t.Errorf("got error %v\nwant      %v", err, want)
	}
	if table.Has(Exception) || !table.Has(StaticCall) {
		t.Errorf("has exceptions %t, static calls %t; want only the latter", table.Has(Exception), table.Has(StaticCall))
	}
}

func TestOnlyWhatIsWithinIsRead(t *testing.T) {
	k := newKernel()
	k.section(".return_sites", at(0x40), at(0x20), at(0x60))
	s := k.source()
	s.Within = Range{at(0x30), at(0x60)}
	table, err := Read(s)
	if err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]Entry{{Kind: Return, Addr: at(0x40), Size: 5}}, table.In(0, ^uint64(0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestATableIsTheSameAfterItsBytes(t *testing.T) {
	entries := []Entry{
		{Kind: Bug, Addr: at(9), Size: 2, Ref: at(0x500), Number: 1 << 20, Flag: true},
		{Kind: Return, Addr: at(0x20), Size: 5},
		{Kind: Bug, Addr: at(0x30), Size: 2},
		{Kind: Alternative, Addr: at(0x30), Size: 255, Target: at(0) - 1<<30, Number: 3},
	}
	table, err := Decode(Make(entries, Ftrace).Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entries, table.In(0, ^uint64(0))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(entries[1:3], table.In(at(0x10), at(0x30)+1)[:2]); diff != "" {
		t.Errorf("in a part (-want +got):\n%s", diff)
	}
	if !table.Has(Ftrace) || table.Len(Ftrace) != 0 || table.Has(Lock) {
		t.Errorf("has ftrace sites %t, locks %t; want an empty table and none", table.Has(Ftrace), table.Has(Lock))
	}
	var none *Table
	if none.Has(Bug) || none.In(0, 100) != nil {
		t.Error("no table has entries")
	}
}

func TestAnARM64FtraceSiteIsWhereTheCallIsPut(t *testing.T) {
	const nop, bti = "\x1f\x20\x03\xd5", "\x5f\x24\x03\xd5"
	for _, c := range []struct {
		code string
		want uint64
	}{
		{nop + nop + "....", 4},
		{nop + nop + nop + nop, 12},
		{nop + nop + bti + nop + nop, 16},
	} {
		k := newKernel()
		k.bytes = []byte(c.code + "....................")
		k.section("mcount_loc", pointer(tables))
		s := k.source()
		s.Arch, s.Text = "arm64", nil
		table, _ := Read(s, Ftrace)
		if got := slices.Collect(table.All(Ftrace)); len(got) != 1 || got[0].Addr != tables+c.want || got[0].Size != 4 {
			t.Errorf("% x: got %+v, want +%d", c.code, got, c.want)
		}
	}
}

// FuzzDecode reads damaged bytes: an error, or entries.
func FuzzDecode(f *testing.F) {
	f.Add(Make([]Entry{{Kind: Bug, Addr: at(9), Size: 2, Ref: at(7)}, {Kind: Return, Addr: at(3), Size: 5}}).Encode())
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := Decode(data)
		if err != nil {
			return
		}
		n := 0
		for _, k := range Kinds() {
			for range table.All(k) {
				n++
			}
		}
		table.In(at(0), at(0x1000))
		if n > len(data) {
			t.Errorf("%d entries in %d bytes", n, len(data))
		}
	})
}

// FuzzRead reads tables out of memory that holds anything.
func FuzzRead(f *testing.F) {
	f.Add([]byte{1, 2, 3}, uint64(3), uint64(12), uint64(12))
	f.Add([]byte(nil), uint64(3), uint64(1<<40), uint64(0))
	f.Fuzz(func(t *testing.T, memory []byte, offset, size, textSize uint64) {
		k := newKernel()
		k.bytes = memory
		s := k.source()
		s.Section = func(string) (uint64, uint64, bool) { return tables + offset, size, true }
		s.Symbol = func(name string) (uint64, bool) { return tables + uint64(len(name))*offset, true }
		s.Text = []Range{{tables, tables + textSize}}
		if size > 1<<16 && size < maxTable || offset > 1<<10 {
			t.Skip("long, and no other than short")
		}
		table, _ := Read(s)
		if _, err := Decode(table.Encode()); err != nil {
			t.Error(err)
		}
	})
}
