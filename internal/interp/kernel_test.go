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

// randomProgram loads R0 and R2 to R9 from the context, computes with forward
// jumps between, and stores all of them back.
func randomProgram(rng *rand.Rand) asm.Instructions {
	regs := []asm.Register{asm.R0, asm.R2, asm.R3, asm.R4, asm.R5, asm.R6, asm.R7, asm.R8, asm.R9}
	var insns asm.Instructions
	for i, r := range regs {
		insns = append(insns, asm.LoadMem(r, asm.R1, int16(8*i), asm.DWord))
	}
	n := 5 + rng.IntN(60)
	for i := range n {
		in := randomInsn(rng, regs)
		if rng.IntN(5) == 0 {
			in = randomJump(rng, regs, fmt.Sprint(i+1+rng.IntN(n-i)))
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
	return append(insns, asm.Mov.Imm(asm.R0, 0), asm.Return())
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
			for range 9 {
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
