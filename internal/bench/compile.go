package main

import (
	"context"
	"embed"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
	"ktrap/lab"
	"ktrap/symbols"
)

// twins are handlers, each in Go for ktrap and in C for clang.
//
//go:embed testdata/twins
var twins embed.FS

// twinNames are the twins in the order of the table; the first five do what those of
// the study did in which ktrap's compiler was tried.
var twinNames = []string{
	"busy", "chains", "fields", "walks", "signed",
	"programs", "sizes", "latency", "sides", "averages", "names", "kinds", "flows", "classes", "sockets",
}

// targetSize is how many of clang's instructions ours may be.
const targetSize = 0.95

// A form is what both compile for: a kernel, and how its memory is read.
type form struct {
	Name   string `json:"form"`
	kernel string
	direct bool // trampolines, whose arguments the verifier knows; else kprobes and a helper
	spec   *btf.Spec
	cast   btf.ID
}

var forms = []form{{Name: "6.12, plain loads", kernel: "6.12", direct: true}, {Name: "5.10, helper", kernel: "5.10"}}

// size is a pair's: BPF instructions of 8 bytes, of all its programs.
type size struct {
	Twin   string `json:"twin"`
	Form   string `json:"form"`
	Ours   int    `json:"ktrap"`
	Clang  int    `json:"clang"`
	Ledger int    `json:"with_ledger"` // ours, with what counts hits and losses
}

type sizes []size

// onCompile compiles all twins both ways, and holds each pair against each other.
func onCompile(ctx context.Context, o options) (results, error) {
	found := &sizes{}
	for _, f := range forms {
		if err := f.open(ctx); err != nil {
			return nil, err
		}
		for _, name := range twinNames {
			s, err := f.measure(ctx, name, name == o.shown)
			if err != nil {
				return nil, fmt.Errorf("%s for %s: %w", name, f.Name, err)
			}
			*found = append(*found, s)
		}
	}
	return found, nil
}

// open reads the kernel's types.
func (f *form) open(ctx context.Context) error {
	kernel, err := lab.FindKernel(ctx, f.kernel, "amd64", os.Stderr)
	if err != nil {
		return err
	}
	image, err := symbols.OpenImage(kernel.Image, symbols.ImageOptions{})
	if err != nil {
		return err
	}
	if f.spec, err = btf.Parse(image.BTF(), nil); err != nil {
		return err
	}
	f.findCast()
	return nil
}

func (f *form) findCast() {
	if cast := f.spec.Funcs("bpf_rdonly_cast"); f.direct && len(cast) > 0 {
		f.cast = cast[0]
	}
}

func (f *form) measure(ctx context.Context, name string, listed bool) (s size, err error) {
	theirs, err := clang(ctx, name, *f)
	if err != nil {
		return s, err
	}
	u, err := f.check(name)
	if err != nil {
		return s, err
	}
	s = size{Twin: name, Form: f.Name}
	ours := map[string]asm.Instructions{}
	for _, h := range u.Handlers {
		for _, bare := range []bool{true, false} {
			o, err := h.Emit(f.target(h, bare))
			if err != nil {
				return s, err
			}
			if !bare {
				s.Ledger += slots(o.Insns)
				continue
			}
			ours[h.Name] = o.Insns
			s.Ours += slots(o.Insns)
			s.Clang += slots(theirs[h.Name])
			if listed {
				list(fmt.Sprintf("%s of %s for %s", h.Name, name, f.Name), o.Insns, theirs[h.Name])
			}
		}
	}
	return s, f.same(u, ours, theirs)
}

func (f *form) check(name string) (*compile.Unit, error) {
	text, err := twins.ReadFile("testdata/twins/" + name + ".go")
	if err != nil {
		return nil, err
	}
	u, errs := compile.Check(compile.Source{Name: name + ".go", Text: text}, compile.Env{Arch: arch.AMD64, BTF: f.spec})
	if errs != nil {
		return nil, errs
	}
	return u, nil
}

func (f *form) target(h *compile.Handler, bare bool) compile.Target {
	t := compile.Target{Context: object.Kprobe, Bare: bare, Point: ledger.Point{Points: 1}, Cast: f.cast, TaskBTF: f.direct}
	switch isReturn := h.Kind == "ret"; {
	case f.direct && isReturn:
		t.Context = object.Fexit
	case f.direct:
		t.Context = object.Fentry
	case isReturn:
		t.Context = object.Kretprobe
	}
	return t
}

// table shows both forms side by side.
func (s *sizes) table(w *tabwriter.Writer) {
	fmt.Fprint(w, "BPF instructions")
	half := len(*s) / 2
	for _, form := range []string{(*s)[0].Form, (*s)[half].Form} {
		fmt.Fprintf(w, "\t%s: ktrap\tclang -O2\tratio\twith ledger", form)
	}
	fmt.Fprintln(w)
	for i, direct := range (*s)[:half] {
		fmt.Fprintf(w, "%s\t%s\t%s\n", direct.Twin, direct, (*s)[half+i])
	}
	fmt.Fprintf(w, "total\t%s\t%s\n", (*s)[:half].total(), (*s)[half:].total())
	fmt.Fprintln(w, "each pair ran on the same made-up kernels and left the same maps and records")
}

func (s size) ratio() float64 { return float64(s.Ours) / float64(s.Clang) }

func (s size) String() string {
	return fmt.Sprintf("%d\t%d\t%.2f\t%d", s.Ours, s.Clang, s.ratio(), s.Ledger)
}

func (s sizes) total() (t size) {
	for _, one := range s {
		t.Ours, t.Clang, t.Ledger = t.Ours+one.Ours, t.Clang+one.Clang, t.Ledger+one.Ledger
	}
	return t
}

func (s *sizes) check() error {
	var above []string
	for _, one := range *s {
		if one.ratio() > targetSize {
			above = append(above, fmt.Sprintf("%s (%s) %.2f", one.Twin, one.Form, one.ratio()))
		}
	}
	if total := s.total().ratio(); total > targetSize {
		above = append(above, fmt.Sprintf("all %.2f", total))
	}
	if above != nil {
		return fmt.Errorf("above the target of %.2f: %s", targetSize, strings.Join(above, ", "))
	}
	return nil
}

// arguments is how many words precede the returned one in a trampoline's context.
func (f *form) arguments(source string) (int, bool) {
	if !f.direct || !strings.Contains(source, "RETVAL") {
		return 0, false
	}
	for _, id := range f.spec.Funcs("vfs_read") { // the only one whose result a twin takes
		if p, err := f.spec.Proto(id); err == nil {
			return len(p.Params), true
		}
	}
	return 0, false
}

// list prints a pair of programs side by side.
func list(title string, ours, theirs asm.Instructions) {
	fmt.Printf("%s\n     %-44s clang\n", title, "ktrap")
	for at := range max(len(ours), len(theirs)) {
		var a, b string
		if at < len(ours) {
			a = object.Text(ours[at], at)
		}
		if at < len(theirs) {
			b = object.Text(theirs[at], at)
		}
		fmt.Printf("%3d  %-44s %s\n", at, a, b)
	}
}
