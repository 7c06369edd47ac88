package verifier

import (
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/rogpeppe/go-internal/txtar"

	"ktrap/internal/diag"
)

// The logs are of the four kernels in the lab; a live test holds the same programs
// against the kernels themselves.
func TestEachLogSaysWhatIsWrongAndWhere(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) != 4 {
		t.Fatalf("logs of four kernels: %v %v", files, err)
	}
	for _, name := range files {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			t.Fatal(err)
		}
		logs := map[string]string{}
		for _, f := range archive.Files {
			logs[f.Name] = string(f.Data)
		}
		for _, r := range refused {
			if logs[r.name] == "" && accepted[r.name] {
				continue
			}
			got := Parse(logs[r.name])
			if got.Code != r.code || r.slot >= 0 && got.Slot != r.slot || got.Msg == "" || got.Words == "" {
				t.Errorf("%s, %s: got %s at %d (%q: %q), want %s at %d\n%s", name, r.name, got.Code, got.Slot, got.Words, got.Msg, r.code, r.slot, logs[r.name])
			}
		}
	}
}

func TestEverySentenceHasACodeAndWords(t *testing.T) {
	for _, s := range sentences {
		if s.code.Explain() == "" || s.msg == "" {
			t.Errorf("%v: code %q, message %q", s.pattern(), s.code, s.msg)
		}
	}
}

func TestRegistersAreWhatTheVerifierLastKnew(t *testing.T) {
	for _, tt := range []struct{ name, log, register, want string }{
		{"beside an instruction", "0: (b7) r1 = 0                        ; R1_w=0", "R1", "0"},
		{"in a state of 5.10", "3: (07) r0 += 4\n R0_w=inv(id=0,umax_value=255,var_off=(0x0; 0xff)) R10=fp0", "R0", "inv(id=0,umax_value=255,var_off=(0x0; 0xff))"},
		{"in a state of 6.12", "0: R1=ctx() R10=fp0\n0: (b7) r0 = 0                        ; R0_w=0", "R1", "ctx()"},
		{"on another way", "0: R1=ctx() R10=fp0\nfrom 3 to 9: R0=scalar(umin=1) R10=fp0", "R1", ""},
	} {
		if got := Parse(tt.log).Regs[tt.register]; got != tt.want {
			t.Errorf("%s: got %s %q, want %q", tt.name, tt.register, got, tt.want)
		}
	}
}

func TestAnUnknownSentenceIsPassedOn(t *testing.T) {
	got := Parse("0: R1=ctx() R10=fp0\n0: (95) exit\nthe moon is full\nprocessed 1 insns (limit 1000000)\n")
	if got.Code != diag.VerifierOther || got.Words != "the moon is full" || got.Slot != 0 || got.Processed != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestAnInstructionIsFoundInTheHandler(t *testing.T) {
	insns := asm.Instructions{
		asm.LoadImm(asm.R1, 1, asm.DWord), // two slots
		asm.Mov.Imm(asm.R0, 0),
		asm.Mov.Imm(asm.R2, 0), // came from nowhere
		asm.Return(),
	}
	at := func(line int) token.Position { return token.Position{Filename: "h.go", Line: line, Column: 1} }
	lines := []token.Position{at(3), at(4), {}, at(5)}
	for slot, want := range map[int]int{-1: 3, 0: 3, 1: 3, 2: 4, 3: 4, 4: 5, 99: 5} {
		if got := position(slot, insns, lines); got.Line != want {
			t.Errorf("slot %d: got line %d, want %d", slot, got.Line, want)
		}
	}
	want := `h.go:4:1: the kernel's verifier refuses this: a number is followed as if it were a pointer: it says "R1 invalid mem access 'inv'" (cast[T](p) makes a pointer of it that is read with care) [verifier-memory]`
	if got := Explain("2: (79) r0 = *(u64 *)(r1 +0)\nR1 invalid mem access 'inv'\n", insns, lines).Error(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzAnyLogIsExplained(f *testing.F) {
	f.Add("0: (b7) r1 = 0 ; R1_w=0\nR1 !read_ok\nprocessed 1 insns\n")
	f.Add("Verification failed: x: y\n\nAt:\n  insn 7\n")
	f.Add("from 1 to 2: R1=scalar(var_off=(0x0; 0xff)) R2=ctx(\ninfinite loop detected at insn 99999999999999999999\n")
	f.Fuzz(func(t *testing.T, log string) {
		e := Explain(log, asm.Instructions{asm.Return()}, []token.Position{{Filename: "h.go", Line: 1, Column: 1}})
		if e.Code.Explain() == "" || !strings.HasPrefix(e.Msg, "the kernel's verifier refuses this") {
			t.Errorf("got %v", e)
		}
	})
}
