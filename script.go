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
	probes  []*Probe
	regs    []*Registration
	emitted *object.Handler // the latest program that was to be loaded
}

// Script compiles a handler file for the running kernel's types. Nothing is
// loaded yet. A mistake in it is a *SourceError.
func (s *Session) Script(f HandlerFile) (*Script, error) {
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
	s.mu.Lock()
	spec, _ := s.on.spec("") // what the handler then lacks is told at its line
	s.mu.Unlock()
	unit, errs := compile.Check(compile.Source{Name: f.Name, Text: f.Text}, compile.Env{Arch: s.arch, BTF: spec, Place: f.Place})
	if errs != nil {
		return nil, &SourceError{errs, f.Text}
	}
	x := &Script{session: s, name: f.Name, text: f.Text, unit: unit}
	if err := x.set(f.Set); err != nil {
		return nil, err
	}
	return x, x.place()
}

// place makes the probes that the file's handlers ask for.
func (x *Script) place() error {
	for _, h := range x.unit.Handlers {
		if h.Place == "" {
			return fmt.Errorf("%s: the handler %s names no place: write //ktrap:%s PLACE above it, or give a place on the command line", x.name, h.Name, h.Kind)
		}
		like := Probe{}
		compiled := &Handler{name: h.Name, script: &compiled{script: x, handler: h}}
		switch h.Kind {
		case "pre":
			like.Pre = compiled
		case "ret":
			like.Ret = compiled
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
func (x *Script) Run(ctx context.Context) error {
	if err := x.open(); err != nil {
		return err
	}
	regs, err := x.session.Register(ctx, x.probes...)
	x.regs = regs
	var refused *attach.VerifierError
	if errors.As(err, &refused) && x.emitted != nil {
		mistake := verifier.Explain(refused.Log, x.emitted.Insns, x.emitted.Lines)
		return &SourceError{diag.List{mistake}, x.text}
	}
	return err
}

// Registrations are the probes that run.
func (x *Script) Registrations() []*Registration { return x.regs }

// Close lets go of the maps; the session has detached the probes before.
func (x *Script) Close() error {
	var errs []error
	for _, m := range x.maps {
		errs = append(errs, m.Close())
	}
	x.maps = nil
	return errors.Join(errs...)
}

var mapTypes = map[object.MapKind]ebpf.MapType{
	object.ArrayMap: ebpf.Array, object.HashMap: ebpf.Hash, object.PerCPUArray: ebpf.PerCPUArray, object.StackMap: ebpf.StackTrace,
}

func (x *Script) open() error {
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
			return errors.Join(fmt.Errorf("make the map %s of %s: %w", m.Name, x.name, err), x.Close())
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
		c.script.emitted = h
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
