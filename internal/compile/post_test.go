package compile_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/disasm"
	"ktrap/internal/interp"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
	"ktrap/internal/outcome"
)

// numbered are the registers by outcome's numbers, as a handler names them.
func numbered() (names []string) {
	for r := outcome.AX; r <= outcome.Flags; r++ {
		names = append(names, r.String())
	}
	return names
}

// stepper runs the programs of a post handler that keeps all that it is told.
type stepper struct {
	t        *testing.T
	at       uint64
	outcome  outcome.Outcome
	programs map[compile.Program]*interp.Program
	maps     map[string]*interp.Map
	counts   *interp.Map
}

func newStepper(t *testing.T, code string) *stepper {
	t.Helper()
	var text strings.Builder
	text.WriteString("package trap\n\nvar was, now [18]uint64\nvar calls uint64\n\n//ktrap:post\nfunc post(r, w *regs) {\n\tcalls++\n")
	for i, name := range numbered() {
		fmt.Fprintf(&text, "\twas[%d], now[%d] = w.%s, r.%s\n", i, i, name, name)
	}
	text.WriteString("}\n")
	u, errs := compile.Check(compile.Source{Name: "post.go", Text: []byte(text.String())}, compile.Env{})
	if errs != nil {
		t.Fatal(errs)
	}
	bytes, err := hex.DecodeString(strings.ReplaceAll(code, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	s := &stepper{t: t, at: 0xffffffff81000000, programs: map[compile.Program]*interp.Program{}, maps: interpMaps(u)}
	s.outcome = outcome.Of(disasm.Inst{Addr: s.at, Bytes: bytes}, outcome.Surroundings{})
	s.counts = &interp.Map{Kind: interp.PerCPUArray, KeySize: 4, ValueSize: object.CountSize, MaxEntries: 2}
	armed := &interp.Map{Kind: interp.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}
	if err := armed.Update(make([]byte, 4), []byte{1, 0, 0, 0, 1, 0, 0, 0}, 0); err != nil {
		t.Fatal(err)
	}
	s.maps[object.Counts], s.maps[object.State] = s.counts, armed
	for _, p := range []compile.Program{compile.Computing, compile.Keeping, compile.Taking} {
		if (p == compile.Computing) != (s.outcome.Kind == outcome.Computed) {
			continue
		}
		o, err := u.Handlers[0].Emit(compile.Target{
			Context: object.Kprobe, Point: ledger.Point{Points: 2},
			Site: &compile.Site{Addr: s.at, Outcome: &s.outcome, Program: p},
		})
		if err != nil {
			t.Fatal(err)
		}
		if s.programs[p], err = interp.Load(o.Insns, s.maps); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// hit runs a program with registers, in a thread.
func (s *stepper) hit(p compile.Program, r outcome.Registers, thread uint64) {
	s.t.Helper()
	regs := make([]byte, arch.AMD64.RegsSize)
	for _, reg := range arch.AMD64.Regs {
		if n := outcome.RegNamed(reg.Name); n != outcome.None {
			binary.LittleEndian.PutUint64(regs[reg.Offset:], r[n])
		}
	}
	if _, err := s.programs[p].Run(interp.Env{Context: interp.Regs(regs), PidTgid: thread}); err != nil {
		s.t.Fatal(err)
	}
}

// told is what the handler was told last, and how often it was called.
func (s *stepper) told() (was, now outcome.Registers, calls uint64) {
	all := words(s.maps[object.Vars].Lookup(make([]byte, 4), 0))
	copy(was[:], all[:18])
	copy(now[:], all[18:36])
	return was, now, all[36]
}

func random(rnd *rand.Rand) (r outcome.Registers) {
	for i := range r {
		r[i] = rnd.Uint64()
	}
	return r
}

func TestWhatAPostHandlersProgramComputesIsTheOutcome(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	codes := []string{"90", "eb 10", "e9 00 01 00 00", "e8 00 01 00 00", "ff d0", "41 ff d3", "ff e1", "e0 80", "e1 80", "e2 80", "e3 80", "67 e0 80", "67 e1 80", "67 e2 80", "67 e3 80"}
	for n := range 16 {
		codes = append(codes, hex.EncodeToString([]byte{0x70 + byte(n), 0x80}), hex.EncodeToString([]byte{0x0f, 0x80 + byte(n), 0, 0, 1, 0}))
	}
	for _, code := range codes {
		s := newStepper(t, code)
		for range 50 {
			r := random(rnd)
			r[outcome.IP] = s.at + 1
			r[outcome.CX] = []uint64{0, 1, 1 << 32, 1<<32 + 1, r[outcome.CX]}[rnd.IntN(5)]
			s.hit(compile.Computing, r, 7)
			r[outcome.IP] = s.at
			was, now, _ := s.told()
			if want := s.outcome.After(r, 0); was != r || now != want {
				t.Fatalf("%s: told\n%x and\n%x, want\n%x and\n%x", code, was, now, r, want)
			}
		}
	}
}

func TestAPostHandlerIsToldOfOneExecution(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for _, code := range []string{"48 01 d8", "53", "41 5f", "c9", "48 83 ec 28", "48 83 e4 f0", "48 29 c4", "48 8d 65 d8", "4c 89 d4"} {
		s := newStepper(t, code)
		calls, unpaired := uint64(0), uint64(0)
		for i := range 60 {
			before := random(rnd)
			before[outcome.IP] = s.at + 1
			s.hit(compile.Keeping, before, 7)
			before[outcome.IP] = s.at
			after := before
			for r := outcome.AX; r <= outcome.Flags; r++ {
				if s.outcome.Writes().Has(r) {
					after[r] = rnd.Uint64()
				}
			}
			after[outcome.SP], after[outcome.IP] = s.outcome.SP(before), s.outcome.Behind+1
			thread := uint64(7)
			switch i % 4 {
			case 1: // another thread at the same depth
				thread, unpaired = 8, unpaired+1
			case 2: // another depth
				after[outcome.SP] += 8
				unpaired++
			case 3: // what the instruction leaves alone is not as it was
				after[outcome.R13] ^= 1 << 40
				unpaired++
			default:
				calls++
			}
			s.hit(compile.Taking, after, thread)
			after[outcome.IP] = s.outcome.Behind
			was, now, n := s.told()
			if i%4 == 0 && (was != before || now != after) {
				t.Fatalf("%s: told\n%x and\n%x, want\n%x and\n%x", code, was, now, before, after)
			}
			if got := binary.LittleEndian.Uint64(s.counts.Lookup(make([]byte, 4), 0)[object.UnpairedOffset:]); n != calls || got != unpaired {
				t.Fatalf("%s: %d calls and %d unpaired, want %d and %d", code, n, got, calls, unpaired)
			}
		}
	}
}
