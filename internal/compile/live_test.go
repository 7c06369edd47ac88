//go:build live

package compile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
)

const kernelBTF = "/sys/kernel/btf/vmlinux"

// targets are the ways in which a handler may be called on this kernel.
func targets(h *Handler, spec *btf.Spec) map[string]Target {
	point := ledger.Point{Points: 1}
	_, task := spec.Enumerator("BPF_FUNC_get_current_task_btf")
	kind, tramp := object.Kprobe, object.Fentry
	if h.Needs.Ret || h.Kind == "ret" {
		kind, tramp = object.Kretprobe, object.Fexit
	}
	list := map[string]Target{"kprobe": {Context: kind, Point: point, TaskBTF: task}}
	if cast := spec.Funcs("bpf_rdonly_cast"); len(cast) > 0 {
		list["cast"] = Target{Context: kind, Point: point, Cast: cast[0], TaskBTF: task}
	}
	// A function that BTF has twice is none that a trampoline can be made for.
	if h.Func != 0 && len(spec.Funcs(h.Place)) == 1 && !h.Needs.Regs && h.Needs.Direct {
		_, newer := spec.Enumerator("BPF_FUNC_get_attach_cookie")
		list["fentry"] = Target{Context: tramp, Point: point, Copy: !newer, TaskBTF: task}
	}
	return list
}

// What this kernel or its own BTF lacks is told by the root's trials of the corpus,
// which also run it; here each handler is loaded in every way that there is.
func TestEveryKernelAcceptsTheCorpus(t *testing.T) {
	spec := parseBTF(t, kernelBTF)
	loaded := 0
	for _, src := range corpus(t) {
		t.Run(strings.TrimSuffix(src.Name, ".go"), func(t *testing.T) {
			u, errs := Check(src, Env{Arch: arch.AMD64, BTF: spec})
			if errs != nil {
				t.Log(errs.Render(func(string) []byte { return src.Text }))
				return
			}
			loaded++
			maps := open(t, u)
			for _, h := range u.Handlers {
				for name, target := range targets(h, spec) {
					t.Run(h.Name+"/"+name, func(t *testing.T) { load(t, h, target, maps).Close() })
				}
			}
		})
	}
	if loaded < 48 {
		t.Errorf("%d handlers were accepted", loaded)
	}
}

// open makes a unit's maps, and those of the ledger.
func open(t testing.TB, u *Unit) map[string]*ebpf.Map {
	t.Helper()
	// Up to 5.10 maps count as locked memory (d5299b67dd59).
	all := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &all); err != nil {
		t.Fatal(err)
	}
	kinds := map[object.MapKind]ebpf.MapType{
		object.ArrayMap: ebpf.Array, object.HashMap: ebpf.Hash, object.PerCPUArray: ebpf.PerCPUArray, object.StackMap: ebpf.StackTrace,
		object.PerCPUHash: ebpf.PerCPUHash,
	}
	specs := []*ebpf.MapSpec{
		{Name: object.Ring, Type: ebpf.RingBuf, MaxEntries: 1 << 16},
		{Name: object.Counts, Type: ebpf.PerCPUArray, KeySize: 4, ValueSize: object.CountSize, MaxEntries: 1},
		{Name: object.State, Type: ebpf.Array, KeySize: 4, ValueSize: 4, MaxEntries: 1},
	}
	for _, m := range u.Maps {
		s := &ebpf.MapSpec{Name: m.Name, Type: kinds[m.Kind], KeySize: uint32(m.KeySize), ValueSize: uint32(m.ValueSize), MaxEntries: uint32(m.Entries)}
		if m.Init != nil {
			s.Contents = []ebpf.MapKV{{Key: uint32(0), Value: m.Init}}
		}
		specs = append(specs, s)
	}
	maps := map[string]*ebpf.Map{}
	for _, s := range specs {
		m, err := ebpf.NewMap(s)
		if err != nil {
			t.Fatalf("map %s: %v", s.Name, err)
		}
		t.Cleanup(func() { m.Close() })
		maps[s.Name] = m
	}
	return maps
}

// load has the verifier judge a handler.
func load(t testing.TB, h *Handler, target Target, maps map[string]*ebpf.Map) *ebpf.Program {
	t.Helper()
	p, err := tryLoad(h, target, maps)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryLoad(h *Handler, target Target, maps map[string]*ebpf.Map) (*ebpf.Program, error) {
	o, err := h.Emit(target)
	if err != nil {
		return nil, err
	}
	insns := append(asm.Instructions{}, o.Insns...)
	for name, m := range maps {
		if err := insns.AssociateMap(name, m); err != nil && !errors.Is(err, asm.ErrUnreferencedSymbol) {
			return nil, err
		}
	}
	spec := &ebpf.ProgramSpec{Name: "handler", Type: ebpf.Kprobe, Instructions: insns, License: "GPL"}
	switch target.Context {
	case object.Fentry:
		spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFEntry, h.Place
	case object.Fexit:
		spec.Type, spec.AttachType, spec.AttachTo = ebpf.Tracing, ebpf.AttachTraceFExit, h.Place
	}
	p, err := ebpf.NewProgram(spec)
	var refused *ebpf.VerifierError
	if errors.As(err, &refused) {
		err = fmt.Errorf("%w\n%s\n%v", err, strings.Join(refused.Log[max(0, len(refused.Log)-40):], "\n"), o.Insns)
	}
	return p, err
}
