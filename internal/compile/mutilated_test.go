package compile_test

import (
	"fmt"
	"go/scanner"
	"go/token"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

// Handlers with words taken out, doubled, exchanged and replaced by those of other
// handlers are compiled or refused, soon; and what is compiled does nothing that
// the verifier would refuse on the way that it takes.
func TestMutilatedHandlersAreCompiledOrRefused(t *testing.T) {
	count := howMany(3000, 60_000)
	whole := wholeHandlers(t)
	spec := thisKernel(t)
	compiled := 0
	for n := *first; n < *first+count; n++ {
		rng := rand.New(rand.NewPCG(*seed, n))
		text := mutilate(rng, whole)
		start := time.Now()
		ok, err := try(text, spec)
		if took := time.Since(start); took > 5*time.Second {
			err = fmt.Errorf("took %v", took)
		}
		if err != nil {
			t.Errorf("go test ./internal/compile -run Mutilated -seed %d -first %d -files 1\n%s\n%v", *seed, n, text, err)
			return
		}
		if ok {
			compiled++
		}
	}
	t.Logf("%d of %d were compiled", compiled, count)
}

// thisKernel is the types of the machine's kernel, or of the small one where it
// tells nothing.
func thisKernel(t *testing.T) *btf.Spec {
	t.Helper()
	data, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Logf("with a small kernel's types: %v", err)
		return smallKernel(t)
	}
	spec, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

// The corpus of handlers that every verifier accepts does nothing in interp that
// one would refuse.
func TestTheCorpusRunsInInterp(t *testing.T) {
	names, err := filepath.Glob("testdata/handlers/*.go")
	if err != nil || len(names) == 0 {
		t.Fatalf("no handlers: %v", err)
	}
	spec := thisKernel(t)
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := try(string(text), spec)
		switch {
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !ok:
			t.Logf("%s is not for the kernel at hand", name)
		}
	}
}

func wholeHandlers(t *testing.T) (list [][]string) {
	for _, pattern := range []string{"testdata/refused/*.go", "testdata/handlers/*.go"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, split(text))
		}
	}
	for n := range uint64(100) {
		list = append(list, split([]byte(asHandler.Replace(randomFile(1, n).text))))
	}
	return list
}

// split cuts a file into its words, directives among them.
func split(text []byte) (words []string) {
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(text)), text, func(token.Position, string) {}, scanner.ScanComments)
	for {
		switch _, tok, lit := s.Scan(); {
		case tok == token.EOF:
			return words
		case tok == token.COMMENT && !strings.HasPrefix(lit, "//ktrap:"):
		case tok == token.COMMENT:
			words = append(words, "\n"+lit+"\n")
		case tok == token.SEMICOLON:
			words = append(words, "\n")
		case lit != "":
			words = append(words, lit)
		default:
			words = append(words, tok.String())
		}
	}
}

func mutilate(rng *rand.Rand, whole [][]string) string {
	words := append([]string(nil), whole[rng.IntN(len(whole))]...)
	for range 1 + rng.IntN(2) {
		other := whole[rng.IntN(len(whole))]
		i, j := rng.IntN(len(words)), rng.IntN(len(words))
		switch rng.IntN(12) {
		case 0:
			words = append(words[:i], words[i+1:]...)
		case 1:
			words = append(words[:i+1], words[i:]...)
		case 2:
			words[i], words[j] = words[j], words[i]
		case 3:
			words[i] = words[j]
		case 4:
			words[i] = other[rng.IntN(len(other))]
		case 5:
			from := rng.IntN(len(other))
			piece := other[from:min(len(other), from+1+rng.IntN(8))]
			words = append(words[:i:i], append(append([]string(nil), piece...), words[i:]...)...)
		default: // as a slip of the hand: one name, number or operator for another
			for tries := 0; class(words[i]) != class(words[j]) && tries < 50; tries++ {
				j = rng.IntN(len(words))
			}
			words[i] = words[j]
		}
	}
	return strings.Join(words, " ")
}

// class tells names, numbers and operators apart.
func class(word string) int {
	switch c := word[0]; {
	case token.IsIdentifier(word):
		return 1
	case c >= '0' && c <= '9':
		return 2
	case strings.ContainsAny(word, "+-*/%&|^<>"):
		return 3
	case token.IsKeyword(word):
		return 4
	}
	return 5
}

// try compiles a file and runs what comes of it.
func try(text string, spec *btf.Spec) (ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\n%s", r, debug.Stack())
		}
	}()
	u, errs := compile.Check(compile.Source{Name: "mutilated.go", Text: []byte(text)}, compile.Env{BTF: spec})
	if (u == nil) != (len(errs) > 0) {
		return false, fmt.Errorf("a unit %v with mistakes %v", u != nil, errs)
	}
	if u == nil {
		errs.Render(func(string) []byte { return []byte(text) })
		return false, nil
	}
	for _, h := range u.Handlers {
		for _, target := range targets(h, spec) {
			o, err := h.Emit(target)
			if err != nil {
				return false, nil
			}
			if err := dryRun(u, o, target); err != nil {
				return false, fmt.Errorf("%v\n%v", err, o.Insns)
			}
		}
	}
	return true, nil
}

// targets reads memory by a helper, and plainly where the kernel has a function
// for that.
func targets(h *compile.Handler, spec *btf.Spec) []compile.Target {
	list := []compile.Target{{Context: contextOf(h), Bare: true}}
	if cast := spec.Funcs("bpf_rdonly_cast"); len(cast) > 0 {
		list = append(list, compile.Target{Context: contextOf(h), Bare: true, Cast: cast[0], TaskBTF: true})
	}
	return list
}

func contextOf(h *compile.Handler) object.Context {
	if h.Kind == "ret" {
		return object.Kretprobe
	}
	return object.Kprobe
}

// dryRun runs a handler in a kernel whose memory is all the same byte.
func dryRun(u *compile.Unit, o *object.Handler, target compile.Target) error {
	maps := interpMaps(u)
	maps[object.Ring] = &interp.Map{Kind: interp.Ring, MaxEntries: 1 << 16}
	p, err := interp.Load(o.Insns, maps)
	if err != nil {
		return err
	}
	regs := make([]byte, 168)
	for i := range regs {
		regs[i] = 0x81
	}
	filled := func(_ uint64, p []byte) bool {
		for i := range p {
			p[i] = 'k'
		}
		return true
	}
	_, err = p.Run(interp.Env{
		Context: interp.Regs(regs), Memory: filled, User: filled, Comm: "dry", Task: 1 << 63,
		Stack: []uint64{1, 2, 3}, UserStack: []uint64{4, 5}, PidTgid: 7<<32 | 8, RdonlyCast: int32(target.Cast),
	})
	return err
}
