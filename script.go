package ktrap

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"ktrap/internal/attach"
	"ktrap/internal/capture"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/ledger"
	"ktrap/internal/object"
	"ktrap/internal/plan"
	"ktrap/internal/verifier"
)

// HandlerFile is a file of handlers in Go, which run in the kernel: see
// docs/HANDLERS.md for the language.
type HandlerFile struct {
	Name  string            // for positions
	Text  []byte            // the source; read from the file Name if nil
	Place string            // of handlers that name none
	Set   map[string]string // package variables to begin with another value
}

// Script is a handler file that runs: its probes, and the maps that they share.
type Script struct {
	session *Session
	name    string
	unit    *compile.Unit
	maps    map[string]*ebpf.Map
	text    []byte
	made    map[*compile.Handler]*Handler
	probes  []*Probe
	regs    []*Registration
}

// Script compiles a handler file for the running kernel's types. Nothing is
// loaded yet. A mistake in it is a *SourceError.
func (s *Session) Script(f HandlerFile) (*Script, error) {
	s.mu.Lock()
	x, err := s.script(f)
	s.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return x, x.place()
}

func (s *Session) script(f HandlerFile) (*Script, error) {
	if f.Text == nil {
		text, err := os.ReadFile(f.Name)
		if err != nil {
			return nil, fmt.Errorf("read the handler: %w", err)
		}
		f.Text = text
	}
	if why := s.kernel.Programs(); why != nil {
		return nil, fmt.Errorf("%s: a handler runs in the kernel as a program, and none can: %w", f.Name, why)
	}
	unit, errs := compile.Check(compile.Source{Name: f.Name, Text: f.Text}, s.on.env(s.arch, f))
	if errs != nil {
		return nil, &SourceError{errs, f.Text}
	}
	x := &Script{session: s, name: f.Name, text: f.Text, unit: unit, made: map[*compile.Handler]*Handler{}}
	if err := x.set(f.Set); err != nil {
		return nil, err
	}
	s.scripts = append(s.scripts, x)
	return x, nil
}

// handler is h as a probe has it: one for all probes that call it, so that one
// program may serve them.
func (x *Script) handler(h *compile.Handler) *Handler {
	if x.made[h] == nil {
		x.made[h] = &Handler{name: h.Name, script: &compiled{script: x, handler: h}}
	}
	return x.made[h]
}

// place makes the probes that the file's handlers ask for.
func (x *Script) place() error {
	for _, h := range x.unit.Handlers {
		if h.Place == "" {
			return fmt.Errorf("%s: the handler %s names no place: write //ktrap:%s PLACE above it, or give a place on the command line", x.name, h.Name, h.Kind)
		}
		like := Probe{}
		switch h.Kind {
		case "pre":
			like.Pre = x.handler(h)
		case "ret":
			like.Ret = x.handler(h)
		default:
			return fmt.Errorf("%s: the handler %s: %s handlers can be compiled and can't be attached yet", x.name, h.Name, h.Kind)
		}
		probes, err := x.session.Probes(h.Place, like)
		if err != nil {
			return fmt.Errorf("%s: the handler %s: %w", x.name, h.Name, err)
		}
		for _, p := range probes {
			p.Return = h.Kind == "ret"
		}
		x.probes = append(x.probes, probes...)
	}
	return nil
}

// Plan is what Run would do, found out without loading or arming anything.
func (x *Script) Plan(ctx context.Context) (*Plan, error) {
	return x.session.Plan(ctx, x.probes...)
}

// Run makes the file's maps, loads its programs and arms its probes together. What
// the kernel's verifier refuses is a *SourceError at the line that caused it.
func (x *Script) Run(ctx context.Context) (err error) {
	x.regs, err = x.session.Register(ctx, x.probes...)
	return err
}

// Registrations are the probes that run.
func (x *Script) Registrations() []*Registration { return x.regs }

// Script is the handler file that runs at the probe; nil if none does.
func (r *Registration) Script() *Script {
	if h := r.handler(); h != nil && h.script != nil {
		return h.script.script
	}
	return nil
}

// close lets go of the maps.
func (x *Script) close() error {
	var errs []error
	for _, m := range x.maps {
		errs = append(errs, m.Close())
	}
	x.maps = nil
	return errors.Join(errs...)
}

var mapTypes = map[object.MapKind]ebpf.MapType{
	object.ArrayMap: ebpf.Array, object.HashMap: ebpf.Hash, object.PerCPUArray: ebpf.PerCPUArray, object.StackMap: ebpf.StackTrace,
	object.PerCPUHash: ebpf.PerCPUHash,
}

// open makes the maps, unless they are.
func (x *Script) open() error {
	if x.maps != nil {
		return nil
	}
	x.maps = map[string]*ebpf.Map{}
	for _, m := range x.unit.Maps {
		spec := &ebpf.MapSpec{
			Name: m.Name, Type: mapTypes[m.Kind],
			KeySize: uint32(m.KeySize), ValueSize: uint32(m.ValueSize), MaxEntries: uint32(m.Entries),
		}
		if m.Init != nil {
			spec.Contents = []ebpf.MapKV{{Key: uint32(0), Value: m.Init}}
		}
		opened, err := attach.NewMap(spec)
		if err != nil {
			return errors.Join(fmt.Errorf("make the map %s of %s: %w", m.Name, x.name, err), x.close())
		}
		x.maps[m.Name] = opened
	}
	return nil
}

// compiled is a handler of a script.
type compiled struct {
	script  *Script
	handler *compile.Handler
}

// point is what the plan has to know of a handler.
func (c *compiled) point(r *Registration) plan.Point {
	h := c.handler
	p := plan.Point{
		Entry: r.entry, Return: r.probe.Return, FuncID: uint32(h.Func),
		Direct: h.Needs.Direct || !h.Needs.Args, Regs: h.Needs.Regs, Stack: h.Needs.Stack,
	}
	switch {
	case r.sym.Module != "":
		p.FuncID, p.NoFunc = 0, "a function of a module: its trampolines would need the module's own BTF"
	case p.FuncID == 0:
		p.NoFunc = errNotInBTF.Error()
	}
	return p
}

// attached is the handler for attach.
func (c *compiled) attached() *attach.Script {
	return &attach.Script{Maps: c.script.maps, Emit: func(t capture.Target) (object.Program, error) {
		target := compile.Target{
			Arch: t.Arch, Context: t.Context, Base: t.Base, Copy: t.Copy,
			Point: ledger.Point{Cookie: t.Cookie, Index: t.Index, Points: t.Points},
		}
		if spec, err := c.script.session.on.spec(""); err == nil {
			target.Cast, target.TaskBTF = kernelReads(spec)
		}
		h, err := c.handler.Emit(target)
		if err != nil {
			return object.Program{}, fmt.Errorf("compile %s of %s: %w", c.handler.Name, c.script.name, err)
		}
		c.script.session.loading = loading{c.script, h}
		return h.Program, nil
	}}
}

// scripts has one attach.Script a handler, so that a link may serve all of its
// points.
type scripts map[*Handler]*attach.Script

func (s scripts) of(h *Handler) *attach.Script {
	if s[h] == nil {
		s[h] = h.script.attached()
	}
	return s[h]
}

// loading is the program that was to be loaded last.
type loading struct {
	script  *Script
	program *object.Handler
}

// explain makes a mistake in the handler's source of the verifier's refusal.
func (l loading) explain(err error) error {
	var refused *attach.VerifierError
	if !errors.As(err, &refused) || l.program == nil {
		return err
	}
	mistake := verifier.Explain(refused.Log, l.program.Insns, l.program.Lines)
	return &SourceError{diag.List{mistake}, l.script.text}
}

// openMaps makes the maps of the handlers of p.
func (p *prepared) openMaps() error {
	for _, r := range p.regs {
		if x := r.Script(); x != nil {
			if err := x.open(); err != nil {
				return err
			}
		}
	}
	return nil
}
