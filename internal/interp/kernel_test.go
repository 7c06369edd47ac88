package interp

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

var (
	seed     = flag.Uint64("seed", 1, "of the random programs")
	programs = flag.Int("programs", 2000, "random programs to compare with the kernel")
)

const sleepable = 1 << 4 // BPF_F_SLEEPABLE, without which programs of type syscall don't load

// slots is how many words of the stack a random program uses.
const slots = 4

// randomProgram loads R0 and R2 to R9 and words of the stack from the context,
// computes with forward jumps between, and stores all of them back.
func randomProgram(rng *rand.Rand) asm.Instructions {
	regs := []asm.Register{asm.R0, asm.R2, asm.R3, asm.R4, asm.R5, asm.R6, asm.R7, asm.R8, asm.R9}
	var insns asm.Instructions
	for i, r := range regs {
		insns = append(insns, asm.LoadMem(r, asm.R1, int16(8*i), asm.DWord))
	}
	for i := range slots {
		insns = append(insns, asm.StoreMem(asm.RFP, int16(-8*(i+1)), regs[i], asm.DWord))
	}
	n := 5 + rng.IntN(60)
	for i := range n {
		in := randomInsn(rng, regs)
		switch rng.IntN(6) {
		case 0:
			in = randomJump(rng, regs, fmt.Sprint(i+1+rng.IntN(n-i)))
		case 1:
			in = randomAccess(rng, regs)
		}
		insns = append(insns, in.WithSymbol(fmt.Sprint(i)))
	}
	for i, r := range regs {
		store := asm.StoreMem(asm.R1, int16(8*i), r, asm.DWord)
		if i == 0 {
			store = store.WithSymbol(fmt.Sprint(n))
		}
		insns = append(insns, store)
	}
	for i := range slots {
		insns = append(insns,
			asm.LoadMem(asm.R0, asm.RFP, int16(-8*(i+1)), asm.DWord),
			asm.StoreMem(asm.R1, int16(8*(len(regs)+i)), asm.R0, asm.DWord))
	}
	return append(insns, asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// randomAccess loads, stores or changes a part of the stack.
func randomAccess(rng *rand.Rand, regs []asm.Register) asm.Instruction {
	sizes := []asm.Size{asm.Byte, asm.Half, asm.Word, asm.DWord}
	size, reg := sizes[rng.IntN(4)], regs[rng.IntN(len(regs))]
	at := int16(-size.Sizeof() * (1 + rng.IntN(8*slots/size.Sizeof())))
	atomics := []asm.AtomicOp{
		asm.AddAtomic, asm.AndAtomic, asm.OrAtomic, asm.XorAtomic, asm.FetchAdd, asm.FetchAnd, asm.FetchOr, asm.FetchXor, asm.Xchg, asm.CmpXchg,
	}
	switch n := rng.IntN(5); {
	case n == 0:
		return asm.LoadMem(reg, asm.RFP, at, size)
	case n == 1 && size != asm.DWord:
		return asm.LoadMemSX(reg, asm.RFP, at, size)
	case n == 2 && size != asm.DWord:
		return asm.StoreImm(asm.RFP, at, int64(int32(randomWord(rng))), size)
	case n == 3 && size.Sizeof() >= 4:
		return encoded(atomics[rng.IntN(len(atomics))].Mem(asm.RFP, reg, size, at))
	}
	return asm.StoreMem(asm.RFP, at, reg, size)
}

func randomInsn(rng *rand.Rand, regs []asm.Register) asm.Instruction {
	ops := []asm.ALUOp{
		asm.Add, asm.Sub, asm.Mul, asm.Div, asm.SDiv, asm.Or, asm.And, asm.LSh, asm.RSh, asm.Mod, asm.SMod,
		asm.Xor, asm.Mov, asm.ArSh, asm.MovSX8, asm.MovSX16, asm.MovSX32, asm.Neg, asm.Swap,
	}
	op, d, s := ops[rng.IntN(len(ops))], regs[rng.IntN(len(regs))], regs[rng.IntN(len(regs))]
	narrow, imm := rng.IntN(2) == 0, int32(randomWord(rng))
	sizes := []asm.Size{asm.Half, asm.Word, asm.DWord}
	switch op {
	case asm.Swap:
		if narrow {
			return asm.BSwap(d, sizes[rng.IntN(3)])
		}
		return asm.HostTo(asm.Endianness(8*rng.IntN(2)), d, sizes[rng.IntN(3)])
	case asm.Neg:
		return pick(narrow, op.Imm32(d, 0), op.Imm(d, 0))
	case asm.MovSX32:
		return op.Reg(d, s)
	case asm.MovSX8, asm.MovSX16:
		return pick(narrow, op.Reg32(d, s), op.Reg(d, s))
	}
	if rng.IntN(2) == 0 {
		return pick(narrow, op.Reg32(d, s), op.Reg(d, s))
	}
	switch op {
	case asm.LSh, asm.RSh, asm.ArSh:
		imm &= pick[int32](narrow, 31, 63)
	case asm.Div, asm.Mod, asm.SDiv, asm.SMod:
		imm |= 1
	}
	return pick(narrow, op.Imm32(d, imm), op.Imm(d, imm))
}

func randomJump(rng *rand.Rand, regs []asm.Register, label string) asm.Instruction {
	ops := []asm.JumpOp{asm.JEq, asm.JGT, asm.JGE, asm.JSet, asm.JNE, asm.JSGT, asm.JSGE, asm.JLT, asm.JLE, asm.JSLT, asm.JSLE}
	op, d, s := ops[rng.IntN(len(ops))], regs[rng.IntN(len(regs))], regs[rng.IntN(len(regs))]
	imm := int32(randomWord(rng))
	switch rng.IntN(4) {
	case 0:
		return op.Imm(d, imm, label)
	case 1:
		return op.Imm32(d, imm, label)
	case 2:
		return op.Reg(d, s, label)
	}
	return op.Reg32(d, s, label)
}

// randomWord prefers the edges.
func randomWord(rng *rand.Rand) uint64 {
	edges := []uint64{0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1}
	switch rng.IntN(3) {
	case 0:
		return edges[rng.IntN(len(edges))]
	case 1:
		return edges[rng.IntN(len(edges))] + uint64(rng.IntN(5)) - 2
	}
	return rng.Uint64() >> rng.IntN(64)
}

// kernelProgram loads insns into this machine's kernel, to be run by test run.
func kernelProgram(t *testing.T, insns asm.Instructions) *ebpf.Program {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Syscall, Flags: sleepable, License: "GPL", Instructions: insns})
	if err != nil {
		t.Fatalf("load: %v\n%v", err, insns)
	}
	return p
}

func needKernel(t *testing.T) {
	t.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Syscall, Flags: sleepable, License: "GPL", Instructions: asm.Instructions{
		asm.Mov.Imm(asm.R0, -8), asm.MovSX8.Reg(asm.R0, asm.R0), asm.SDiv.Imm(asm.R0, 2), asm.Return(),
	}})
	if err != nil {
		t.Skipf("needs bpf() on this machine, with signed division (6.6): %v", err)
	}
	p.Close()
}

func TestRandomProgramsRunAsInTheKernel(t *testing.T) {
	needKernel(t)
	for n := range *programs {
		rng := rand.New(rand.NewPCG(*seed, uint64(n)))
		insns := randomProgram(rng)
		ours := mustLoad(t, nil, insns...)
		kernels := kernelProgram(t, append(asm.Instructions(nil), insns...))
		for range 4 {
			var words []uint64
			for range 9 + slots {
				words = append(words, randomWord(rng))
			}
			got, want := bytesOf(words), bytesOf(words)
			if _, err := ours.Run(Env{Context: Syscall(got)}); err != nil {
				t.Fatalf("program %d: %v\n%v", n, err, insns)
			}
			if _, err := kernels.Run(&ebpf.RunOptions{Context: want, ContextOut: want}); err != nil {
				t.Fatalf("program %d, in the kernel: %v", n, err)
			}
			if !bytes.Equal(got, want) {
				t.Fatalf("program %d (-seed %d) of %x:\ngot  %x\nwant %x\n%v", n, *seed, bytesOf(words), got, want, insns)
			}
		}
		kernels.Close()
	}
}
