package ktrap

import (
	"bytes"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
	"ktrap/internal/place"
	"ktrap/internal/plan"
	"ktrap/symbols"
)

// Compiler compiles handler files without loading them. The zero Compiler does it
// for the running kernel.
type Compiler struct {
	// Place is that of handlers that name none.
	Place string
	// BTF is a file with the types of another kernel: its BTF, or its image.
	BTF string
	// Mechanism is how the handlers will be called, by the words of
	// Options.Mechanism; empty for the cheapest that has what they need.
	Mechanism string
	// Helpers reads the kernel's memory by helpers alone, as kernels before 6.2 do.
	Helpers bool
	// Phases keeps what each pass leaves, in CompiledHandler.Phases.
	Phases bool
}

// CompiledFile is a handler file as programs.
type CompiledFile struct {
	Name     string            `json:"file"`
	Source   []byte            `json:"-"`
	Maps     []CompiledMap     `json:"maps,omitempty"`
	Handlers []CompiledHandler `json:"handlers"`
}

// CompiledMap is a map of the file.
type CompiledMap struct {
	Name    string `json:"name"`
	Key     int    `json:"key_bytes"`
	Value   int    `json:"value_bytes"`
	Entries int    `json:"entries"`
}

// CompiledHandler is a handler's program.
type CompiledHandler struct {
	Name         string                `json:"name"`
	Kind         string                `json:"kind"` // pre, post, ret or fault
	Place        string                `json:"place,omitempty"`
	Mechanism    string                `json:"mechanism"`
	Slots        int                   `json:"slots"` // of 8 bytes, as the kernel counts
	Instructions []CompiledInstruction `json:"instructions"`
	Phases       []Phase               `json:"-"`
}

// CompiledInstruction is an instruction and what caused it.
type CompiledInstruction struct {
	Slot   int    `json:"slot"`
	Text   string `json:"text"`
	Line   int    `json:"line,omitempty"` // of the file; 0 for what every program begins and ends with
	Column int    `json:"column,omitempty"`
}

// Phase is a handler as a pass of the compiler left it.
type Phase struct {
	Name  string
	Lines []PhaseLine
}

// PhaseLine is a line of the compiler's own language, and the line of the file that
// caused it; 0 for what every program has.
type PhaseLine struct {
	Text string
	Line int
}

// File compiles the file of a name. A mistake in it is a list of errors that Render
// their line of source.
func (c Compiler) File(name string) (*CompiledFile, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read the handler: %w", err)
	}
	return c.Compile(name, text)
}

// Compile compiles a file's text; name is for positions.
func (c Compiler) Compile(name string, text []byte) (*CompiledFile, error) {
	spec, err := c.types()
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", name, err)
	}
	unit, errs := compile.Check(compile.Source{Name: name, Text: text}, compile.Env{Arch: arch.AMD64, BTF: spec, Place: c.Place})
	if errs != nil {
		return nil, &SourceError{errs, text}
	}
	f := &CompiledFile{Name: name, Source: text}
	for _, m := range unit.Maps {
		if m.Name != object.Vars || len(m.Fields) > 0 {
			f.Maps = append(f.Maps, CompiledMap{m.Name, m.KeySize, m.ValueSize, m.Entries})
		}
	}
	for _, h := range unit.Handlers {
		compiled, err := c.handler(spec, h)
		if err != nil {
			if errors.As(err, &errs) {
				return nil, &SourceError{errs, text}
			}
			return nil, err
		}
		f.Handlers = append(f.Handlers, compiled)
	}
	return f, nil
}

// types are the kernel's, of a file or of the running kernel; where that has none
// and no file is named, a handler does without.
func (c Compiler) types() (*btf.Spec, error) {
	if c.BTF == "" {
		spec, err := openBTF("", nil)
		if err != nil {
			return nil, nil // what the handler then lacks is told at its line
		}
		return spec, nil
	}
	data, err := kernel.ReadBTF(c.BTF)
	if err != nil {
		return nil, fmt.Errorf("read BTF: %w", err)
	}
	if data == nil {
		image, err := symbols.OpenImage(c.BTF, symbols.ImageOptions{})
		if err != nil {
			return nil, err
		}
		defer image.Close()
		data = bytes.Clone(image.BTF())
	}
	return btf.Parse(data, nil)
}

func (c Compiler) handler(spec *btf.Spec, h *compile.Handler) (CompiledHandler, error) {
	mechanism, err := c.mechanism(h)
	if err != nil {
		return CompiledHandler{}, err
	}
	t := compile.Target{Arch: arch.AMD64, Context: mechanism.Context(), Point: ledger.Point{Points: 1}}
	if spec != nil && !c.Helpers {
		t.Cast, t.TaskBTF = kernelReads(spec)
	}
	out := CompiledHandler{Name: h.Name, Kind: string(h.Kind), Place: h.Place, Mechanism: string(mechanism)}
	var watch func(string, []compile.Line)
	if c.Phases {
		watch = func(pass string, lines []compile.Line) { out.Phases = append(out.Phases, phase(h, pass, lines)) }
	}
	o, err := h.EmitWatched(t, watch)
	if err != nil {
		return out, err
	}
	for i, in := range o.Insns {
		line := CompiledInstruction{Slot: out.Slots, Text: object.Text(in, out.Slots), Line: o.Lines[i].Line, Column: o.Lines[i].Column}
		if s := in.Symbol(); s != "" {
			line.Text = s + ": " + line.Text
		}
		out.Instructions = append(out.Instructions, line)
		out.Slots += int(in.Size() / asm.InstructionSize)
	}
	return out, nil
}

func phase(h *compile.Handler, pass string, lines []compile.Line) Phase {
	p := Phase{Name: pass}
	for _, l := range lines {
		p.Lines = append(p.Lines, PhaseLine{l.Text, h.Line(l.Pos)})
	}
	return p
}

// kernelReads tells how a kernel's programs may read its memory: the id of
// bpf_rdonly_cast (6.2: a35b9af4ec2c), and whether the current task is typed
// (5.11: 3ca1032ab7ab).
func kernelReads(spec *btf.Spec) (cast btf.ID, task bool) {
	if ids := spec.Funcs("bpf_rdonly_cast"); len(ids) > 0 {
		cast = ids[0]
	}
	_, task = spec.Enumerator("BPF_FUNC_get_current_task_btf")
	return cast, task
}

// able is a kernel with every way to attach a program.
var able = &facts.Kernel{Features: map[facts.Feature]facts.Answer{
	facts.Fentry: {State: facts.Yes}, facts.KprobePerf: {State: facts.Yes}, facts.KprobeEvents: {State: facts.Yes},
}}

// mechanism is the one asked for, or the cheapest that has what h needs on a
// kernel that has every one.
func (c Compiler) mechanism(h *compile.Handler) (plan.Mechanism, error) {
	p := plan.Point{
		Entry: true, Return: h.Kind == "ret", FuncID: uint32(h.Func), NoFunc: "the function is not known",
		Direct: h.Needs.Direct, Regs: h.Needs.Regs, Stack: h.Needs.Stack, Paired: h.Needs.Paired,
	}
	if at, err := place.Parse(h.Place); err == nil {
		p.Entry = at.IsEntry()
	}
	steps, err := plan.Make(able, []plan.Point{p}, plan.Options{Mechanism: plan.Mechanism(c.Mechanism)})
	if err != nil {
		return "", fmt.Errorf("compile %s: %w", h.Name, err)
	}
	return steps[0].Mechanism, nil
}

// SourceError is the mistakes in a handler file.
type SourceError struct {
	list   diag.List
	source []byte
}

func (e *SourceError) Error() string { return e.list.Error() }

// Unwrap is the mistakes, one by one.
func (e *SourceError) Unwrap() []error { return e.list.Unwrap() }

// Render prints each mistake with its line of source.
func (e *SourceError) Render() string {
	return e.list.Render(func(string) []byte { return e.source })
}
