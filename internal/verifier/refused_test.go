package verifier

import (
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// accepted are the refused that 7.3 loads.
var accepted = map[string]bool{"context-moved": true, "deep-stack": true}

// refused are programs of a kprobe that verifiers refuse: why, and at which slot;
// -1 where the log names none, or not always.
var refused = []struct {
	name  string
	code  diag.Code
	slot  int
	insns asm.Instructions
}{
	{"number-deref", diag.VerifierMemory, 1, asm.Instructions{
		asm.Mov.Imm(asm.R1, 0), asm.LoadMem(asm.R0, asm.R1, 0, asm.DWord), asm.Return(),
	}},
	{"null", diag.VerifierNull, 6, append(lookup("hash"), asm.LoadMem(asm.R0, asm.R0, 0, asm.DWord), asm.Return())},
	{"null-arithmetic", diag.VerifierNull, 6, append(lookup("hash"), asm.Add.Imm(asm.R0, 4), asm.Return())},
	{"unset-register", diag.VerifierUninit, 0, asm.Instructions{asm.Mov.Reg(asm.R0, asm.R3), asm.Return()}},
	{"unset-after-call", diag.VerifierUninit, 1, asm.Instructions{asm.FnKtimeGetNs.Call(), asm.Mov.Reg(asm.R0, asm.R1), asm.Return()}},
	{"unset-result", diag.VerifierUninit, 0, asm.Instructions{asm.Return()}},
	{"below-the-stack", diag.VerifierStack, 0, asm.Instructions{asm.StoreImm(asm.RFP, -516, 0, asm.Word), asm.Return()}},
	{"misaligned-stack", diag.VerifierMisaligned, 0, asm.Instructions{asm.StoreImm(asm.RFP, -7, 0, asm.Word), asm.Return()}},
	{"half-a-pointer", diag.VerifierStack, 0, asm.Instructions{asm.StoreMem(asm.RFP, -8, asm.R1, asm.Word), asm.Mov.Imm(asm.R0, 0), asm.Return()}},
	{"frame-pointer", diag.VerifierStack, 0, asm.Instructions{asm.Mov.Imm(asm.R10, 0), asm.Return()}},
	{"map-value", diag.VerifierMapValue, 7, found(asm.LoadMem(asm.R1, asm.R0, 12, asm.DWord))},
	{"map-value-negative", diag.VerifierMapValue, 7, found(asm.LoadMem(asm.R1, asm.R0, -1, asm.Byte))},
	{"map-value-unbounded", diag.VerifierMapValue, 9, found(
		asm.LoadMem(asm.R1, asm.R0, 0, asm.Word), asm.Add.Reg(asm.R0, asm.R1), asm.LoadMem(asm.R1, asm.R0, 0, asm.Byte))},
	{"map-value-maybe-negative", diag.VerifierPointer, 9, found(
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.JSGT.Imm(asm.R1, 3, "out"), asm.Add.Reg(asm.R0, asm.R1), asm.LoadMem(asm.R1, asm.R0, 0, asm.Byte))},
	{"map-value-far", diag.VerifierPointer, 9, found(asm.LoadImm(asm.R1, 1<<40, asm.DWord), asm.Add.Reg(asm.R0, asm.R1))},
	{"record", diag.VerifierRecord, 6, reserved(asm.StoreImm(asm.R0, 16, 0, asm.Word))},
	{"record-kept", diag.VerifierReference, 7, reserved()},
	{"record-after-submit", diag.VerifierMemory, 10, reserved(
		asm.Mov.Reg(asm.R6, asm.R0), asm.Mov.Reg(asm.R1, asm.R0), asm.Mov.Imm(asm.R2, 0), asm.FnRingbufSubmit.Call(), asm.StoreImm(asm.R6, 0, 0, asm.Word))},
	{"context-beyond", diag.VerifierContext, 0, asm.Instructions{asm.LoadMem(asm.R0, asm.R1, 1024, asm.DWord), asm.Return()}},
	{"context-moved", diag.VerifierContext, 1, asm.Instructions{asm.Add.Imm(asm.R1, 8), asm.LoadMem(asm.R0, asm.R1, 4, asm.Word), asm.Return()}},
	{"pointer-shift", diag.VerifierPointer, 1, asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.LSh.Imm(asm.R2, 2), asm.Return()}},
	{"pointer-and", diag.VerifierPointer, 1, asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.And.Imm(asm.R2, 2), asm.Return()}},
	{"pointer-sum", diag.VerifierPointer, 1, asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Reg(asm.R2, asm.R1), asm.Return()}},
	{"pointer-32", diag.VerifierPointer, 1, asm.Instructions{asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm32(asm.R2, 2), asm.Return()}},
	{"helper-unknown", diag.VerifierHelper, 0, asm.Instructions{asm.BuiltinFunc(9999).Call(), asm.Return()}},
	{"helper-elsewhere", diag.VerifierHelper, 3, asm.Instructions{
		asm.Mov.Imm(asm.R2, 0), asm.Mov.Imm(asm.R3, 0), asm.Mov.Imm(asm.R4, 4), asm.FnSkbLoadBytes.Call(), asm.Return()}},
	{"argument-type", diag.VerifierArgument, 3, asm.Instructions{
		asm.Mov.Imm(asm.R1, 0), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -4), asm.FnMapLookupElem.Call(), asm.Return()}},
	{"size-zero", diag.VerifierRange, 3, asm.Instructions{
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -16), asm.Mov.Imm(asm.R2, 0), asm.FnGetCurrentComm.Call(), asm.Return()}},
	{"size-unbounded", diag.VerifierRange, 4, asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -16), asm.Mov.Imm(asm.R3, 0), asm.FnProbeReadKernel.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()}},
	{"size-large", diag.VerifierStack, 5, asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.And.Imm(asm.R2, 255), asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -16), asm.Mov.Imm(asm.R3, 0), asm.FnProbeReadKernel.Call(), asm.Mov.Imm(asm.R0, 0), asm.Return()}},
	{"loop", diag.VerifierLoop, 1, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Ja.Label("again").WithSymbol("again")}},
	{"loop-unknown", diag.VerifierLoop, -1, asm.Instructions{
		asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.Mov.Imm(asm.R0, 0),
		asm.FnKtimeGetNs.Call().WithSymbol("again"), asm.JNE.Imm(asm.R0, 0, "again"), asm.Return()}},
	{"unreachable", diag.VerifierDead, 1, asm.Instructions{
		asm.Ja.Label("out"), asm.Mov.Imm(asm.R0, 0), asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return()}},
	{"no-end", diag.VerifierDead, -1, asm.Instructions{asm.Mov.Imm(asm.R0, 0)}},
	{"divide-by-zero", diag.VerifierRange, 1, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Div.Imm(asm.R0, 0), asm.Return()}},
	{"shift", diag.VerifierRange, 1, asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.LSh.Imm(asm.R0, 64), asm.Return()}},
	{"opcode", diag.VerifierInsn, -1, asm.Instructions{{OpCode: 0xe7}, asm.Return()}},
	{"reserved-field", diag.VerifierInsn, -1, asm.Instructions{{OpCode: asm.Mov.Op(asm.ImmSource), Dst: asm.R0, Src: asm.R3}, asm.Return()}},
	{"misaligned-atomic", diag.VerifierMisaligned, 8, found(asm.Mov.Imm(asm.R1, 1), asm.AddAtomic.Mem(asm.R0, asm.R1, asm.DWord, 4))},
	{"atomic-context", diag.VerifierContext, 1, asm.Instructions{asm.Mov.Imm(asm.R2, 1), asm.AddAtomic.Mem(asm.R1, asm.R2, asm.DWord, 0), asm.Return()}},
	{"deep-stack", diag.VerifierDeep, -1, asm.Instructions{
		asm.StoreImm(asm.RFP, -400, 0, asm.Word), asm.Call.Label("f"), asm.Return(),
		asm.StoreImm(asm.RFP, -400, 0, asm.Word).WithSymbol("f"), asm.Mov.Imm(asm.R0, 0), asm.Return()}},
}

// lookup takes the value of key 0 of a map, 16 bytes, at slot 5. That an array
// holds it newer verifiers know by themselves (seen on 6.18, not on 6.12).
func lookup(name string) asm.Instructions {
	return asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, 0).WithReference(name),
		asm.FnMapLookupElem.Call(),
	}
}

// found goes on at slot 7 with the value.
func found(then ...asm.Instruction) asm.Instructions {
	all := append(lookup("array"), asm.JEq.Imm(asm.R0, 0, "out"))
	all = append(all, then...)
	return append(all, asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return())
}

// reserved goes on at slot 6 with a record of 16 bytes.
func reserved(then ...asm.Instruction) asm.Instructions {
	all := asm.Instructions{
		asm.LoadMapPtr(asm.R1, 0).WithReference("ring"),
		asm.Mov.Imm(asm.R2, 16),
		asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(),
		asm.JEq.Imm(asm.R0, 0, "out"),
	}
	all = append(all, then...)
	return append(all, asm.Mov.Imm(asm.R0, 0).WithSymbol("out"), asm.Return())
}
