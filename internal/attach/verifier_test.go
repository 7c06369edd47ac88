package attach

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap/internal/arch"
	"ktrap/internal/capture"
	"ktrap/internal/facts"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
)

func TestTheVerifierOfThisMachineAcceptsEveryKindOfUnit(t *testing.T) {
	ring, err := NewRing()
	if err != nil {
		t.Skipf("needs ringbuf: %v", err)
	}
	defer ring.Close()
	memory := []capture.Read{
		{Arg: 0, Offsets: []int{8, 640, 16}, Size: 24},
		{Arg: 1, Offsets: []int{0}, Size: 256, String: true},
	}
	sites := ledger.NewSites(arch.AMD64, []uint64{1 << 63, 1<<63 + 9, 1<<63 + 4096}, []int{0, 1, 2})
	table := &counted{sites: sites}
	if err := table.makeTable(); err != nil {
		t.Fatal(err)
	}
	defer table.table.Close()
	h := &hook{counted: table}
	args := arch.AMD64.Place([]int{8, 4, 16, 8, 24, 8, 8, 8})
	for name, u := range map[string]capture.Unit{
		"nothing":          {},
		"arguments":        {Args: args},
		"memory":           {Args: args, Reads: memory},
		"registers, stack": {Regs: true, Frames: 127},
		"the return value": {Ret: 2, Reads: []capture.Read{{Arg: capture.RetWord, Offsets: []int{0}, Size: 8}}},
		"a filter":         {Args: args, Filter: capture.Filter{PID: 1, Comm: "fifteen letters"}},
		"one hit":          {Args: args, Once: true},
		"one count":        {Quiet: true, Once: true},
		"all of it":        {Args: args, Ret: 2, Regs: true, Reads: memory, Frames: 64, Filter: capture.Filter{PID: 1 << 31, Comm: "x"}},
	} {
		for _, target := range []capture.Target{
			{Arch: arch.AMD64, Context: object.Kprobe, Point: ledger.Point{Points: 3, Index: 2}},
			{Arch: arch.AMD64, Context: object.Kretprobe, Base: 1 << 20, Point: ledger.Point{Points: 3, Cookie: true}},
			{Arch: arch.AMD64, Context: object.Kprobe, Point: ledger.Point{Points: 3, Sites: sites}},
		} {
			t.Run(fmt.Sprintf("%s, cookie %t, sites %t", name, target.Point.Cookie, target.Point.Sites != nil), func(t *testing.T) {
				s := &Set{job: Job{Ring: ring, Points: make([]Point, target.Point.Points)}}
				s.job.Points[0].Unit = &u
				if err := s.maps(); err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				prog, err := u.Emit(target)
				if err != nil {
					t.Fatal(err)
				}
				if err := s.associate(prog, h, nil); err != nil {
					t.Fatal(err)
				}
				n, err := load(prog, 0, false)
				if errors.Is(err, unix.EPERM) {
					t.Skipf("needs bpf: %v", err)
				}
				var refused *VerifierError
				if errors.As(err, &refused) {
					t.Fatalf("%v\n%v\n%s", err, prog.Insns, refused.Log)
				}
				if err != nil {
					t.Fatal(err)
				}
				n.Close()
			})
		}
	}
}

func TestWhatOnlyCountsIsAFewInstructions(t *testing.T) {
	u := &capture.Unit{Quiet: true}
	s := &Set{job: Job{Kernel: &facts.Kernel{CPUs: facts.CPUs{Possible: 3}}, Points: []Point{{Unit: u}, {Unit: u}}}}
	if err := s.maps(); errors.Is(err, unix.EPERM) {
		t.Skipf("needs bpf: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	prog, err := u.Emit(capture.Target{Arch: arch.AMD64, Context: object.Kprobe, Point: ledger.Point{Points: 2, Index: 1}, CPUs: s.cpus()})
	if err != nil {
		t.Fatal(err)
	}
	if len(prog.Insns) > 10 {
		t.Errorf("%d instructions:\n%v", len(prog.Insns), prog.Insns)
	}
	if err := s.associate(prog, &hook{}, nil); err != nil {
		t.Fatal(err)
	}
	n, err := load(prog, 0, false)
	if err != nil {
		t.Fatalf("%v\n%v", err, prog.Insns)
	}
	n.Close()
}
