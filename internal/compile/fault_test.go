package compile_test

import (
	"fmt"
	"testing"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

func TestAReadThatFailsCallsTheFaultHandler(t *testing.T) {
	text := `package trap

var first, addr, nr, ofUser, calls, last uint64

//ktrap:pre vfs_read
func begin(r *regs) {
	first = uint64(cast[inode](r.di).i_mode) + 5
	last = uint64(user(cast[inode](r.si)).i_mode) + 7
}

//ktrap:fault
func failed(r *regs, t *trap) {
	if calls += 1 + uint64(cast[inode](t.addr).i_mode); t.user {
		ofUser++
		return
	}
	addr, nr = t.addr+r.cx, uint64(t.nr)
}
`
	u, errs := compile.Check(compile.Source{Name: "fault.go", Text: []byte(text)}, compile.Env{BTF: smallKernel(t)})
	if errs != nil {
		t.Fatal(errs)
	}
	if len(u.Handlers) != 1 {
		t.Fatalf("%d handlers for probes, want 1", len(u.Handlers))
	}
	maps := interpMaps(u)
	o, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true})
	if err != nil {
		t.Fatal(err)
	}
	p, err := interp.Load(o.Insns, maps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Run(interp.Env{Context: interp.Regs(make([]byte, arch.AMD64.RegsSize))}); err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(words(maps[object.Vars].Lookup(make([]byte, 4), 0))[:6])
	if want := "[5 8 14 1 2 7]"; got != want {
		t.Errorf("first, addr, nr, ofUser, calls and last are %s, want %s", got, want)
	}
}
