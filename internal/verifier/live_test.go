//go:build live

package verifier

import (
	"errors"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// What this kernel's verifier says of the refused programs is understood.
func TestThisKernelsRefusalsAreUnderstood(t *testing.T) {
	maps := map[string]*ebpf.Map{}
	for _, s := range []*ebpf.MapSpec{
		{Name: "array", Type: ebpf.Array, KeySize: 4, ValueSize: 16, MaxEntries: 1},
		{Name: "hash", Type: ebpf.Hash, KeySize: 4, ValueSize: 16, MaxEntries: 1},
		{Name: "ring", Type: ebpf.RingBuf, MaxEntries: 4096},
	} {
		m, err := ebpf.NewMap(s)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { m.Close() })
		maps[s.Name] = m
	}
	for _, r := range refused {
		insns := append(asm.Instructions{}, r.insns...)
		for name, m := range maps {
			if err := insns.AssociateMap(name, m); err != nil && !errors.Is(err, asm.ErrUnreferencedSymbol) {
				t.Fatal(err)
			}
		}
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.Kprobe, Instructions: insns, License: "GPL"})
		var refusal *ebpf.VerifierError
		if err == nil && accepted[r.name] {
			p.Close()
			continue
		}
		if !errors.As(err, &refusal) {
			t.Errorf("%s: got %v, want a refusal", r.name, err)
			p.Close()
			continue
		}
		log := strings.Join(refusal.Log, "\n")
		if got := Parse(log); got.Code != r.code || r.slot >= 0 && got.Slot != r.slot || got.Msg == "" {
			t.Errorf("%s: got %s at %d (%q), want %s at %d\n%s", r.name, got.Code, got.Slot, got.Words, r.code, r.slot, log)
		}
	}
}
