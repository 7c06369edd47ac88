package interp

import (
	"math"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// decode looks up what an instruction means.
func (l *loader) decode(in asm.Instruction) inst {
	if in.Dst > asm.R10 || in.Src > asm.R10 {
		return l.refuse(diag.VerifierInsn, "names a register that does not exist")
	}
	var out inst
	switch in.OpCode.Class() {
	case asm.ALUClass, asm.ALU64Class:
		out = l.decodeALU(in)
	case asm.JumpClass, asm.Jump32Class:
		out = l.decodeJump(in)
	case asm.LdClass:
		out = l.decodeWide(in)
	default:
		out = l.decodeMemory(in)
	}
	out.dst, out.src, out.offset = in.Dst, in.Src, int64(in.Offset)
	return out
}

func (l *loader) unknown(in asm.Instruction) inst {
	return l.refuse(diag.VerifierInsn, "unknown instruction %#x", uint32(in.OpCode))
}

func (l *loader) decodeALU(in asm.Instruction) inst {
	op, wide := in.OpCode.ALUOp(), in.OpCode.Class() == asm.ALU64Class
	if op == asm.Swap {
		return l.decodeSwap(in)
	}
	table, width := alu32, int64(32)
	if wide {
		table, width = alu64, 64
	}
	alu, byReg := table[op], in.OpCode.Source() == asm.RegSource
	constant := !byReg && op != asm.Neg
	switch {
	case alu == nil, in.Offset != 0:
		return l.unknown(in)
	case in.Dst == asm.RFP:
		return l.refuse(diag.VerifierStack, "writes to the frame pointer")
	case constant && in.Constant != int64(int32(in.Constant)) && in.Constant != int64(uint32(in.Constant)):
		return l.refuse(diag.VerifierInsn, "a constant of more than 32 bits")
	case constant && (op == asm.Div || op == asm.Mod || op == asm.SDiv || op == asm.SMod) && in.Constant == 0:
		return l.refuse(diag.VerifierRange, "divides by the constant zero")
	case constant && (op == asm.LSh || op == asm.RSh || op == asm.ArSh) && (in.Constant < 0 || in.Constant >= width):
		return l.refuse(diag.VerifierRange, "shifts %d bits by %d", width, in.Constant)
	}
	out := inst{alu: alu, op: op, imm: uint64(int32(in.Constant)), next: true}
	out.do = pickALU(op, wide, byReg)
	if out.do == nil {
		return l.unknown(in)
	}
	if !wide && op == asm.Mov {
		out.imm = uint64(uint32(in.Constant))
	}
	return out
}

func pickALU(op asm.ALUOp, wide, byReg bool) func(*run, *inst) {
	switch op {
	case asm.Mov:
		return pick(byReg, pick(wide, movReg, mov32), movImm)
	case asm.MovSX8, asm.MovSX16, asm.MovSX32:
		return pick(byReg, pick(wide, extend, extend32), nil)
	case asm.Neg:
		return pick(byReg, nil, pick(wide, alu64Imm, alu32Imm))
	}
	return pick(byReg, pick(wide, alu64Reg, alu32Reg), pick(wide, alu64Imm, alu32Imm))
}

func pick[T any](cond bool, yes, no T) T {
	if cond {
		return yes
	}
	return no
}

func (l *loader) decodeSwap(in asm.Instruction) inst {
	always := in.OpCode.Class() == asm.ALU64Class // bswap, 6.6: 0845c3db7bf5
	table := cuts
	if always || in.OpCode.Endianness() == asm.BE {
		table = swaps
	}
	alu := table[in.Constant]
	switch {
	case alu == nil, in.Offset != 0, in.Src != 0, always && in.OpCode.Endianness() == asm.BE:
		return l.unknown(in)
	case in.Dst == asm.RFP:
		return l.refuse(diag.VerifierStack, "writes to the frame pointer")
	}
	return inst{do: alu64Imm, alu: alu, op: asm.Swap, next: true}
}

func (l *loader) decodeJump(in asm.Instruction) inst {
	op, narrow := in.OpCode.JumpOp(), in.OpCode.Class() == asm.Jump32Class
	switch {
	case op == asm.Exit:
		return inst{do: exit}
	case op == asm.Call:
		return l.decodeCall(in)
	case op == asm.Ja:
		return inst{do: jump, target: l.target(in, narrow)}
	}
	cmp := pick(narrow, jumps32, jumps64)[op]
	if cmp == nil {
		return l.unknown(in)
	}
	byReg := in.OpCode.Source() == asm.RegSource
	return inst{
		do: pick(byReg, jumpReg, jumpImm), cmp: cmp, jump: op, narrow: narrow,
		imm: uint64(int64(int32(in.Constant))), target: l.target(in, false), next: true,
	}
}

// target is the index that a jump leads to; a long jump keeps its distance in
// the constant (6.6: 4cd58e9af8b9).
func (l *loader) target(in asm.Instruction, long bool) int {
	if label := in.Reference(); label != "" {
		to, ok := l.labels[label]
		if !ok {
			l.refuse(diag.VerifierDead, "jumps to the label %s, which is nowhere", label)
		}
		return to
	}
	distance := int(in.Offset)
	if long {
		distance = int(in.Constant)
	}
	to, ok := l.slots[l.starts[l.at]+1+distance]
	if !ok {
		l.refuse(diag.VerifierDead, "jumps to where no instruction begins")
	}
	return to
}

func (l *loader) decodeCall(in asm.Instruction) inst {
	switch {
	case in.IsKfuncCall():
		return inst{do: callKfunc, imm: uint64(in.Constant), next: true}
	case in.IsFunctionCall():
		return l.refuse(diag.VerifierInsn, "calls of functions of the program are not interpreted")
	}
	h := helpers[asm.BuiltinFunc(in.Constant)]
	if h == nil || in.Constant > math.MaxInt32 {
		return l.refuse(diag.VerifierHelper, "calls the helper %v, which is not interpreted", asm.BuiltinFunc(in.Constant))
	}
	return inst{do: callHelper, call: h, next: true}
}

// decodeWide is a load of 64 bits: a number, a map, or the place of a map's value.
func (l *loader) decodeWide(in asm.Instruction) inst {
	switch {
	case !in.OpCode.IsDWordLoad() || in.Offset != 0:
		return l.unknown(in)
	case in.Dst == asm.RFP:
		return l.refuse(diag.VerifierStack, "writes to the frame pointer")
	case in.Src == 0:
		return inst{do: movImm, imm: uint64(in.Constant), next: true}
	case !in.IsLoadFromMap():
		return l.unknown(in)
	}
	m := l.maps[in.Reference()]
	if m == nil {
		return l.refuse(diag.VerifierArgument, "names the map %q, which is not there", in.Reference())
	}
	if in.Src == asm.PseudoMapFD {
		return inst{do: loadMap, m: m, next: true}
	}
	offset := uint64(in.Constant) >> 32
	if m.Kind != Array || m.MaxEntries != 1 || offset >= uint64(m.ValueSize) {
		return l.refuse(diag.VerifierMapValue, "takes the address of byte %d in %v", offset, m)
	}
	return inst{do: loadMapValue, m: m, imm: offset, next: true}
}

func loadMap(r *run, in *inst) { r.regs[in.dst] = value{kind: mapping, m: in.m} }

func loadMapValue(r *run, in *inst) {
	mem := in.m.element(0)
	r.regs[in.dst] = value{kind: pointer, bits: mem.base + in.imm, mem: mem}
}

func (l *loader) decodeMemory(in asm.Instruction) inst {
	out := inst{size: in.OpCode.Size().Sizeof(), imm: uint64(int64(int32(in.Constant))), next: true}
	class, mode := in.OpCode.Class(), in.OpCode.Mode()
	switch {
	case class == asm.LdXClass && mode == asm.MemMode:
		out.do = loadMem
	case class == asm.LdXClass && mode == asm.MemSXMode && out.size < 8:
		out.do = loadSigned
	case class == asm.StClass && mode == asm.MemMode:
		out.do = storeImm
	case class == asm.StXClass && mode == asm.MemMode:
		out.do = storeReg
	case class == asm.StXClass && mode == asm.AtomicMode && out.size >= 4:
		return l.decodeAtomic(in, out)
	default:
		return l.unknown(in)
	}
	if class == asm.LdXClass && in.Dst == asm.RFP {
		return l.refuse(diag.VerifierStack, "writes to the frame pointer")
	}
	return out
}

// decodeAtomic refuses what the library would encode as an addition: it takes the
// constant for the operation (Instruction.Marshal of v0.22.0), which its own
// AtomicOp.Mem leaves zero.
func (l *loader) decodeAtomic(in asm.Instruction, out inst) inst {
	op := in.OpCode.AtomicOp()
	if in.Constant != int64(op>>8) {
		return l.refuse(diag.VerifierInsn, "the constant of an atomic operation is %#x and must be %#x", in.Constant, int64(op>>8))
	}
	if op == asm.CmpXchg {
		out.do = exchange
		return out
	}
	out.do, out.alu = atomic, atomics[op]
	out.fetch = op == asm.Xchg || op&fetchBit != 0
	if out.alu == nil {
		return l.unknown(in)
	}
	if out.fetch && in.Src == asm.RFP {
		return l.refuse(diag.VerifierStack, "writes to the frame pointer")
	}
	return out
}

const fetchBit = asm.FetchAdd &^ asm.AddAtomic
