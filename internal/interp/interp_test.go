package interp

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

func mustLoad(t testing.TB, maps map[string]*Map, insns ...asm.Instruction) *Program {
	t.Helper()
	p, err := Load(insns, maps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// big loads 64 bits.
func big(dst asm.Register, v uint64) asm.Instruction { return asm.LoadImm(dst, int64(v), asm.DWord) }

func TestArithmeticIsTheInstructionSets(t *testing.T) {
	const top = 1 << 63
	for _, tt := range []struct {
		op         asm.ALUOp
		a, b       uint64
		w64, w32   uint64
		only64, is bool
	}{
		{op: asm.Add, a: math.MaxUint64, b: 2, w64: 1, w32: 1},
		{op: asm.Sub, a: 1, b: 2, w64: math.MaxUint64, w32: math.MaxUint32},
		{op: asm.Mul, a: 1 << 33, b: 3, w64: 3 << 33, w32: 0},
		{op: asm.Div, a: top, b: 0, w64: 0, w32: 0},
		{op: asm.Div, a: math.MaxUint64, b: 1 << 32, w64: math.MaxUint32, w32: 0},
		{op: asm.Mod, a: 7<<32 | 9, b: 0, w64: 7<<32 | 9, w32: 9},
		{op: asm.Mod, a: 7<<32 | 9, b: 4, w64: 1, w32: 1},
		{op: asm.SDiv, a: top, b: math.MaxUint64, w64: top, w32: 0},
		{op: asm.SDiv, a: 1 << 31, b: math.MaxUint32, w64: 0, w32: 1 << 31},
		{op: asm.SDiv, a: uint64(math.MaxUint64 - 6), b: 2, w64: uint64(math.MaxUint64 - 2), w32: math.MaxUint32 - 2},
		{op: asm.SMod, a: uint64(math.MaxUint64 - 6), b: 4, w64: uint64(math.MaxUint64 - 2), w32: math.MaxUint32 - 2},
		{op: asm.SMod, a: 1 << 31, b: math.MaxUint32, w64: 1 << 31, w32: 0},
		{op: asm.LSh, a: 1, b: 33, w64: 1 << 33, w32: 2},
		{op: asm.LSh, a: 1, b: 65, w64: 2, w32: 2},
		{op: asm.RSh, a: 1 << 32, b: 32, w64: 1, w32: 0},
		{op: asm.RSh, a: 0xf<<32 | 0x80000000, b: 31, w64: 0xf<<1 | 1, w32: 1},
		{op: asm.ArSh, a: 1<<63 | 1<<31, b: 4, w64: 0xf8<<56 | 1<<27, w32: 0xf8 << 24},
		{op: asm.Xor, a: 0xf0f0<<32 | 1, b: 0xff, w64: 0xf0f0<<32 | 0xfe, w32: 0xfe},
		{op: asm.MovSX8, b: 0x180, w64: math.MaxUint64 - 127, w32: math.MaxUint32 - 127},
		{op: asm.MovSX16, b: 0x18000, w64: math.MaxUint64 - 32767, w32: math.MaxUint32 - 32767},
		{op: asm.MovSX32, b: 1 << 31, w64: 0xffffffff80000000, only64: true},
	} {
		run := func(in asm.Instruction) uint64 {
			got, err := mustLoad(t, nil, big(asm.R0, tt.a), big(asm.R2, tt.b), in, asm.Return()).Run(Env{})
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		if got := run(tt.op.Reg(asm.R0, asm.R2)); got != tt.w64 {
			t.Errorf("%v of %#x, %#x: got %#x, want %#x", tt.op, tt.a, tt.b, got, tt.w64)
		}
		if tt.only64 {
			continue
		}
		if got := run(tt.op.Reg32(asm.R0, asm.R2)); got != tt.w32 {
			t.Errorf("32-bit %v of %#x, %#x: got %#x, want %#x", tt.op, tt.a, tt.b, got, tt.w32)
		}
	}
}

func TestAtomicOperationsGiveBackWhatWas(t *testing.T) {
	for _, tt := range []struct {
		op                 asm.AtomicOp
		size               asm.Size
		memory, source, r0 uint64
		after, sourceAfter uint64
		r0After            uint64
	}{
		{asm.AddAtomic, asm.DWord, 5, 7, 1, 12, 7, 1},
		{asm.FetchAdd, asm.Word, 1<<32 | math.MaxUint32, 2, 1, 1<<32 | 1, math.MaxUint32, 1},
		{asm.FetchAnd, asm.DWord, 6, 3, 1, 2, 6, 1},
		{asm.FetchOr, asm.DWord, 6, 3, 1, 7, 6, 1},
		{asm.FetchXor, asm.DWord, 6, 3, 1, 5, 6, 1},
		{asm.Xchg, asm.Word, 9<<32 | 4, 8<<32 | 3, 1, 9<<32 | 3, 4, 1},
		{asm.CmpXchg, asm.DWord, 6, 3, 6, 3, 3, 6},
		{asm.CmpXchg, asm.DWord, 6, 3, 5, 6, 3, 6},
		{asm.CmpXchg, asm.Word, 1<<32 | 6, 3, 2<<32 | 6, 1<<32 | 3, 3, 6},
	} {
		data := bytesOf([]uint64{0, 0, 0})
		p := mustLoad(t, nil,
			asm.Mov.Reg(asm.R6, asm.R1),
			big(asm.R2, tt.memory), big(asm.R3, tt.source), big(asm.R0, tt.r0),
			asm.StoreMem(asm.RFP, -8, asm.R2, asm.DWord),
			encoded(tt.op.Mem(asm.RFP, asm.R3, tt.size, -8)),
			asm.LoadMem(asm.R2, asm.RFP, -8, asm.DWord),
			asm.StoreMem(asm.R6, 0, asm.R2, asm.DWord),
			asm.StoreMem(asm.R6, 8, asm.R3, asm.DWord),
			asm.StoreMem(asm.R6, 16, asm.R0, asm.DWord),
			asm.Return())
		if _, err := p.Run(Env{Context: Syscall(data)}); err != nil {
			t.Fatal(err)
		}
		if want := bytesOf([]uint64{tt.after, tt.sourceAfter, tt.r0After}); !bytes.Equal(data, want) {
			t.Errorf("%v %v: got %x, want %x", tt.op, tt.size, data, want)
		}
	}
}

// encoded puts an atomic operation where the library looks for it.
func encoded(in asm.Instruction) asm.Instruction {
	in.Constant = int64(in.OpCode.AtomicOp() >> 8)
	return in
}

func testMaps() map[string]*Map {
	return map[string]*Map{
		"hash":  {Kind: Hash, KeySize: 4, ValueSize: 16, MaxEntries: 2},
		"array": {Kind: Array, KeySize: 4, ValueSize: 16, MaxEntries: 1},
		"cpu":   {Kind: PerCPUArray, KeySize: 4, ValueSize: 8, MaxEntries: 2},
		"ring":  {Kind: Ring, MaxEntries: 4096},
	}
}

// lookup leaves in R0 the value of key 0.
func lookup(name string) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference(name),
		asm.FnMapLookupElem.Call(),
	}
}

func reserve() asm.Instructions {
	return asm.Instructions{
		asm.LoadMapPtr(asm.R1, 0).WithReference("ring"),
		asm.Mov.Imm(asm.R2, 16),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
	}
}

func join(parts ...asm.Instructions) asm.Instructions {
	var all asm.Instructions
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

var zero = asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()}

func TestWhatAProgramMayNotDoIsAFault(t *testing.T) {
	for _, tt := range []struct {
		name  string
		insns asm.Instructions
		code  diag.Code
	}{
		{"no instructions", nil, diag.VerifierLarge},
		{"no end", asm.Instructions{asm.Mov.Imm(asm.R0, 0)}, diag.VerifierDead},
		{"unreachable", asm.Instructions{asm.Ja.Label("out"), asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()}, diag.VerifierDead},
		{"a label that is nowhere", asm.Instructions{asm.Ja.Label("out"), asm.Return()}, diag.VerifierDead},
		{"no result", asm.Instructions{asm.Return()}, diag.VerifierResult},
		{"an unset register", asm.Instructions{asm.Mov.Reg(asm.R0, asm.R3), asm.Return()}, diag.VerifierUninit},
		{"a register after a call", asm.Instructions{asm.FnKtimeGetNs.Call(), asm.Mov.Reg(asm.R0, asm.R1), asm.Return()}, diag.VerifierUninit},
		{"the frame pointer", asm.Instructions{asm.Mov.Imm(asm.R10, 0), asm.Return()}, diag.VerifierStack},
		{"an unset stack", asm.Instructions{asm.LoadMem(asm.R0, asm.RFP, -8, asm.DWord), asm.Return()}, diag.VerifierUninit},
		{"half an unset stack", asm.Instructions{asm.StoreImm(asm.RFP, -8, 0, asm.Word), asm.LoadMem(asm.R0, asm.RFP, -8, asm.DWord), asm.Return()}, diag.VerifierUninit},
		{"below the stack", asm.Instructions{asm.StoreImm(asm.RFP, -516, 0, asm.Word), asm.Return()}, diag.VerifierStack},
		{"above the stack", asm.Instructions{asm.StoreImm(asm.RFP, 0, 0, asm.Word), asm.Return()}, diag.VerifierStack},
		{"a misaligned stack", asm.Instructions{asm.StoreImm(asm.RFP, -7, 0, asm.Word), asm.Return()}, diag.VerifierMisaligned},
		{"half a pointer to the stack", asm.Instructions{asm.StoreMem(asm.RFP, -8, asm.RFP, asm.Word), asm.Return()}, diag.VerifierStack},
		{"half a pointer from the stack", asm.Instructions{asm.StoreMem(asm.RFP, -8, asm.RFP, asm.DWord), asm.LoadMem(asm.R0, asm.RFP, -8, asm.Word), asm.Return()}, diag.VerifierStack},
		{"a number as an address", asm.Instructions{asm.Mov.Imm(asm.R1, 0), asm.LoadMem(asm.R0, asm.R1, 0, asm.Word), asm.Return()}, diag.VerifierMemory},
		{"a pointer doubled", asm.Instructions{asm.Mul.Imm(asm.R10, 2), asm.Return()}, diag.VerifierStack},
		{"a pointer shifted", asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.LSh.Imm(asm.R2, 2), asm.Return()}, diag.VerifierPointer},
		{"two pointers added", asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Reg(asm.R2, asm.R2), asm.Return()}, diag.VerifierPointer},
		{"32 bits of a pointer", asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm32(asm.R2, 2), asm.Return()}, diag.VerifierPointer},
		{"division by zero", asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.Div.Imm(asm.R0, 0), asm.Return()}, diag.VerifierRange},
		{"a wide shift", asm.Instructions{asm.Mov.Imm(asm.R0, 1), asm.LSh.Imm32(asm.R0, 32), asm.Return()}, diag.VerifierRange},
		{"an unknown instruction", asm.Instructions{{OpCode: 0xe7}, asm.Return()}, diag.VerifierInsn},
		{"an atomic operation that would be encoded as another", asm.Instructions{asm.Mov.Imm(asm.R1, 1), asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord), asm.FetchOr.Mem(asm.RFP, asm.R1, asm.DWord, -8), asm.Return()}, diag.VerifierInsn},
		{"an unknown helper", asm.Instructions{asm.BuiltinFunc(9999).Call(), asm.Return()}, diag.VerifierHelper},
		{"no nil check", join(lookup("hash"), asm.Instructions{asm.LoadMem(asm.R0, asm.R0, 0, asm.Word), asm.Return()}), diag.VerifierNull},
		{"arithmetic before a nil check", join(lookup("hash"), asm.Instructions{asm.Add.Imm(asm.R0, 4), asm.Return()}), diag.VerifierNull},
		{"beyond a map's value", join(lookup("array"), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.LoadMem(asm.R0, asm.R0, 12, asm.DWord)}, zero), diag.VerifierMapValue},
		{"before a map's value", join(lookup("array"), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.LoadMem(asm.R0, asm.R0, -1, asm.Byte)}, zero), diag.VerifierMapValue},
		{"a pointer in a map", join(lookup("array"), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.StoreMem(asm.R0, 0, asm.RFP, asm.DWord)}, zero), diag.VerifierLeak},
		{"a misaligned atomic", join(lookup("array"), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 4)}, zero), diag.VerifierMisaligned},
		{"an unset key", asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.LoadMapPtr(asm.R1, 0).WithReference("hash"), asm.FnMapLookupElem.Call(), asm.Return()}, diag.VerifierUninit},
		{"a number for a map", asm.Instructions{asm.Mov.Imm(asm.R1, 0), asm.Mov.Reg(asm.R2, asm.RFP), asm.FnMapLookupElem.Call(), asm.Return()}, diag.VerifierArgument},
		{"a map that is not there", asm.Instructions{asm.LoadMapPtr(asm.R1, 0).WithReference("none"), asm.Return()}, diag.VerifierArgument},
		{"a record kept", join(reserve(), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out")}, zero), diag.VerifierReference},
		{"a record used after it was submitted", join(reserve(), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Reg(asm.R6, asm.R0), asm.Mov.Reg(asm.R1, asm.R0), asm.Mov.Imm(asm.R2, 0), asm.FnRingbufSubmit.Call(), asm.StoreImm(asm.R6, 0, 0, asm.Word)}, zero), diag.VerifierReference},
		{"beyond a record", join(reserve(), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.StoreImm(asm.R0, 16, 0, asm.Word)}, zero), diag.VerifierRecord},
		{"the middle of a record submitted", join(reserve(), asm.Instructions{asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Reg(asm.R1, asm.R0), asm.Add.Imm(asm.R1, 8), asm.Mov.Imm(asm.R2, 0), asm.FnRingbufSubmit.Call()}, zero), diag.VerifierReference},
		{"a write to the context", asm.Instructions{asm.StoreImm(asm.R1, 0, 0, asm.Word), asm.Return()}, diag.VerifierContext},
		{"beyond the context", asm.Instructions{asm.LoadMem(asm.R0, asm.R1, 64, asm.DWord), asm.Return()}, diag.VerifierContext},
		{"a misaligned context", asm.Instructions{asm.LoadMem(asm.R0, asm.R1, 4, asm.DWord), asm.Return()}, diag.VerifierContext},
		{"no end in sight", asm.Instructions{asm.Mov.Imm(asm.R0, 0).WithSymbol("again"), asm.Ja.Label("again")}, diag.VerifierLoop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Load(tt.insns, testMaps())
			if err == nil {
				_, err = p.Run(Env{Context: Regs(make([]byte, 64))})
			}
			var fault *Fault
			if !errors.As(err, &fault) || fault.Code != tt.code {
				t.Errorf("got %v, want a fault %s", err, tt.code)
			}
		})
	}
}

func TestMapsAnswerAsTheKernels(t *testing.T) {
	key := func(n byte) []byte { return []byte{n, 0, 0, 0} }
	for _, tt := range []struct {
		name string
		m    Map
		do   func(m *Map) int
		want int
	}{
		{"a full hash", Map{Kind: Hash, KeySize: 4, MaxEntries: 2}, func(m *Map) int { return m.update(key(3), nil, updateAny, 0) }, errTooBig},
		{"a key of a full hash", Map{Kind: Hash, KeySize: 4, MaxEntries: 2}, func(m *Map) int { return m.update(key(1), nil, updateAny, 0) }, 0},
		{"a full LRU hash", Map{Kind: LRUHash, KeySize: 4, MaxEntries: 2}, func(m *Map) int { return m.update(key(3), nil, updateAny, 0) }, 0},
		{"a key that must be new", Map{Kind: Hash, KeySize: 4, MaxEntries: 2}, func(m *Map) int { return m.update(key(1), nil, updateNew, 0) }, errExist},
		{"a key that must be there", Map{Kind: Hash, KeySize: 4, MaxEntries: 4}, func(m *Map) int { return m.update(key(4), nil, updateExist, 0) }, errNoEntry},
		{"an array's index", Map{Kind: Array, KeySize: 4, MaxEntries: 4}, func(m *Map) int { return m.update(key(4), nil, updateAny, 0) }, errTooBig},
		{"an array's place, never new", Map{Kind: Array, KeySize: 4, MaxEntries: 4}, func(m *Map) int { return m.update(key(3), nil, updateNew, 0) }, errExist},
		{"unknown flags", Map{Kind: Array, KeySize: 4, MaxEntries: 4}, func(m *Map) int { return m.update(key(3), nil, 8, 0) }, errInvalid},
	} {
		m := tt.m
		for n := range byte(2) {
			if err := m.Update(key(n), nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		if got := tt.do(&m); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestPerCPUValuesAreEachCPUsOwn(t *testing.T) {
	maps := testMaps()
	p := mustLoad(t, maps, join(lookup("cpu"), asm.Instructions{
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1),
		asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 0),
	}, zero)...)
	for _, cpu := range []uint32{0, 1, 1} {
		if _, err := p.Run(Env{CPU: cpu}); err != nil {
			t.Fatal(err)
		}
	}
	for cpu, want := range []uint64{1, 2, 0} {
		if got := le.Uint64(maps["cpu"].Lookup(make([]byte, 4), uint32(cpu))); got != want {
			t.Errorf("CPU %d counted %d, want %d", cpu, got, want)
		}
	}
}

// A record is filled by the helpers that take memory, and full rings refuse.
func TestARecordHoldsWhatWasWritten(t *testing.T) {
	maps := testMaps()
	maps["ring"].MaxEntries = 24
	p := mustLoad(t, maps, join(asm.Instructions{asm.Mov.Reg(asm.R7, asm.R1)}, reserve(), asm.Instructions{
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Reg(asm.R6, asm.R0),
		asm.Mov.Reg(asm.R1, asm.R0),
		asm.Mov.Imm(asm.R2, 4),
		asm.FnGetCurrentComm.Call(),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Add.Imm(asm.R1, 4),
		asm.Mov.Imm(asm.R2, 4),
		asm.LoadMem(asm.R3, asm.R7, 0, asm.DWord),
		asm.FnProbeReadKernelStr.Call(),
		asm.StoreMem(asm.R6, 8, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R1, asm.R6),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRingbufSubmit.Call(),
	}, zero)...)
	const address = 0xffff888000001000
	env := Env{Comm: "bashful", Context: Args([]uint64{address}, 0), Memory: func(addr uint64, b []byte) bool {
		return copy(b, "pipe"[addr-address:]) == len(b)
	}}
	for range 2 {
		if _, err := p.Run(env); err != nil {
			t.Fatal(err)
		}
	}
	got := maps["ring"].Records()
	want := "bas\x00pip\x00\x04\x00\x00\x00\x00\x00\x00\x00"
	if len(got) != 1 || string(got[0]) != want {
		t.Errorf("got %q, want one record %q", got, want)
	}
}

// What cannot be read is zero through a typed pointer, and an error by helper.
func TestATypedPointerLoadsZeroWhereNothingCanBeRead(t *testing.T) {
	insns := asm.Instructions{asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R0, asm.R1, 8, asm.Word), asm.Return()}
	for _, tt := range []struct {
		pointers uint64
		want     string
	}{
		{1, "<nil>"},
		{0, "instruction 1 (LdXMemW dst: r0 src: r1 off: 8 imm: 0): reads through a number"},
	} {
		_, err := mustLoad(t, nil, insns...).Run(Env{Context: Args([]uint64{8}, tt.pointers)})
		if got := fmt.Sprint(err); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// What a word of the kernel is the verifier knows by its type, interp by its use.
func TestAWordOfTheKernelIsFollowedOrComputedWith(t *testing.T) {
	const first, second = 0xffff888000000000, 0xffff888000000100
	memory := func(addr uint64, p []byte) bool {
		clear(p)
		if addr == first+8 {
			le.PutUint64(p, second)
		} else {
			p[0] = 7
		}
		return true
	}
	for _, tt := range []struct {
		name string
		do   asm.Instructions
		want uint64
	}{
		{"followed", asm.Instructions{asm.Add.Imm(asm.R2, 4), asm.LoadMem(asm.R0, asm.R2, 0, asm.Byte)}, 7},
		{"followed after a spill", asm.Instructions{asm.StoreMem(asm.RFP, -8, asm.R2, asm.DWord), asm.LoadMem(asm.R2, asm.RFP, -8, asm.DWord), asm.LoadMem(asm.R0, asm.R2, 0, asm.Byte)}, 7},
		{"computed with", asm.Instructions{asm.Mov.Reg(asm.R0, asm.R2), asm.RSh.Imm(asm.R0, 8), asm.And.Imm32(asm.R0, 0xff)}, 1},
		{"cut on the stack", asm.Instructions{asm.StoreMem(asm.RFP, -8, asm.R2, asm.Word), asm.LoadMem(asm.R0, asm.RFP, -8, asm.Half)}, 0x100},
	} {
		insns := join(asm.Instructions{asm.LoadMem(asm.R1, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R2, asm.R1, 8, asm.DWord)}, tt.do, asm.Instructions{asm.Return()})
		context := Args([]uint64{first}, 1)
		context.zero = false
		got, err := mustLoad(t, nil, insns...).Run(Env{Context: context, Memory: memory})
		if err != nil || got != tt.want {
			t.Errorf("%s: got %#x, %v, want %#x", tt.name, got, err, tt.want)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	p := mustLoad(b, nil,
		asm.Mov.Imm(asm.R0, 0),
		asm.Mov.Imm(asm.R2, 0),
		asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord).WithSymbol("again"),
		asm.LoadMem(asm.R3, asm.RFP, -8, asm.DWord),
		asm.Add.Reg(asm.R0, asm.R2),
		asm.Xor.Reg32(asm.R0, asm.R3),
		asm.Mul.Imm(asm.R0, 17),
		asm.RSh.Imm(asm.R3, 3),
		asm.Add.Imm(asm.R2, 1),
		asm.JLT.Imm(asm.R2, 100_000, "again"),
		asm.Return())
	for b.Loop() {
		if _, err := p.Run(Env{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(800_003*float64(b.N)/b.Elapsed().Seconds()/1e6, "Minsns/s")
}
