package interp

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/cilium/ebpf/asm"
)

// Whatever bytes a program is made of, it ends with a result or an error.
func FuzzAnyProgramEnds(f *testing.F) {
	for _, insns := range []asm.Instructions{
		{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		{asm.LoadMem(asm.R0, asm.R1, 0, asm.DWord), asm.FnKtimeGetNs.Call(), asm.Return()},
		{asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord), asm.LoadMem(asm.R0, asm.RFP, -8, asm.DWord), asm.Return()},
		{asm.LoadImm(asm.R0, -1, asm.DWord), encoded(asm.FetchAdd.Mem(asm.RFP, asm.R0, asm.DWord, -8)), asm.Return()},
		{asm.Mov.Imm(asm.R0, 1), asm.SDiv.Imm(asm.R0, -1), asm.Ja.Label("end"), asm.Return().WithSymbol("end")},
	} {
		var b bytes.Buffer
		if err := insns.Marshal(&b, binary.LittleEndian); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		insns, err := asm.AppendInstructions(nil, bytes.NewReader(code), binary.LittleEndian, "linux")
		if err != nil {
			return
		}
		maps := testMaps()
		names := []string{"hash", "array", "cpu", "ring"}
		for i := range insns {
			if insns[i].IsLoadFromMap() {
				insns[i] = insns[i].WithReference(names[uint32(insns[i].Constant)%4])
			}
		}
		p, err := Load(insns, maps)
		if err != nil {
			return
		}
		p.Run(Env{Context: RawTracepoint(make([]uint64, 4)), Budget: 10_000, Stack: []uint64{1, 2, 3}, Comm: "fuzz"})
	})
}
