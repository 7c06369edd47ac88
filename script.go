package ktrap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"ktrap/internal/attach"
	"ktrap/internal/capture"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/object"
	"ktrap/internal/place"
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
	// Optional are places of the file that are left out if they can't be probed.
	Optional []string
}

// Script is a handler file that runs: its probes, and the maps that they share.
type Script struct {
	session *Session
	file    HandlerFile
	unit    *compile.Unit
	maps    map[string]*ebpf.Map
	made    map[*compile.Handler]*Handler
	probes  []*Probe
	regs    []*Registration
	final   []Table // the variables when the session closed
	words   bool    // of the variables only words are read
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
	x.probes, err = x.place(x.unit, func(*compile.Handler) bool { return true })
	return x, err
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
	unit, err := s.check(f)
	if err != nil {
		return nil, err
	}
	x := &Script{session: s, file: f, unit: unit, made: map[*compile.Handler]*Handler{}}
	if err := x.set(f.Set); err != nil {
		return nil, err
	}
	s.scripts = append(s.scripts, x)
	return x, nil
}

func (s *Session) check(f HandlerFile) (*compile.Unit, error) {
	unit, errs := compile.Check(compile.Source{Name: f.Name, Text: f.Text}, s.on.env(s.arch, f))
	if errs == nil {
		return unit, nil
	}
	if err := s.on.missing(f); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name, err)
	}
	return nil, &SourceError{errs, f.Text}
}

// handler is h as a probe has it: one for all probes that call it, so that one
// program may serve them.
func (x *Script) handler(unit *compile.Unit, h *compile.Handler) *Handler {
	if x.made[h] == nil {
		x.made[h] = &Handler{name: h.Name, script: &compiled{script: x, unit: unit, handler: h}}
	}
	return x.made[h]
}

// place makes the probes that some of the file's handlers ask for.
func (x *Script) place(unit *compile.Unit, which func(*compile.Handler) bool) (all []*Probe, err error) {
	for _, h := range unit.Handlers {
		if !which(h) {
			continue
		}
		if h.Place == "" {
			return nil, fmt.Errorf("%s: the handler %s names no place: write //ktrap:%s PLACE above it, or give a place on the command line", x.file.Name, h.Name, h.Kind)
		}
		like := Probe{}
		switch h.Kind {
		case "pre":
			like.Pre = x.handler(unit, h)
		case "ret":
			like.Ret = x.handler(unit, h)
		case "post":
			like.Post = x.handler(unit, h)
		}
		probes, err := x.session.Probes(where(h), like)
		if err != nil {
			return nil, fmt.Errorf("%s: the handler %s: %w", x.file.Name, h.Name, err)
		}
		for _, p := range probes {
			p.Return = h.Kind == "ret"
			p.Optional = p.Optional || slices.Contains(x.file.Optional, h.Place)
		}
		all = append(all, probes...)
	}
	return all, nil
}

// where is h's place; that of a return handler which is at the file's place is the
// function that the place is in.
func where(h *compile.Handler) string {
	if p, err := place.Parse(h.Place); err == nil && h.Given && h.Kind == "ret" && p.Symbol != "" && p.Offset != 0 {
		p.Offset = 0
		return p.String()
	}
	return h.Place
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

// Move lets the handlers that the file names no place for run at another place
// than before, with the same variables. Until they are armed there, those at the
// old place run on; if they can't be, for good.
func (x *Script) Move(ctx context.Context, at string) error {
	if err := CheckPlace(at); err != nil {
		return err
	}
	moved := func(h *compile.Handler) bool { return h.Given }
	if !slices.ContainsFunc(x.unit.Handlers, moved) {
		return fmt.Errorf("move %s to %s: it names the places of all its handlers", x.file.Name, at)
	}
	f := x.file
	f.Place = at
	x.session.mu.Lock()
	unit, err := x.session.check(f)
	x.session.mu.Unlock()
	if err != nil {
		return err
	}
	if !sameMaps(unit, x.unit) {
		return fmt.Errorf("move %s to %s: its variables would have other types there", x.file.Name, at)
	}
	probes, err := x.place(unit, moved)
	if err != nil {
		return err
	}
	regs, err := x.session.Register(ctx, probes...)
	if err != nil {
		return err
	}
	x.file, x.unit = f, unit
	return x.leave(regs)
}

// leave unregisters what was moved, in favour of regs.
func (x *Script) leave(regs []*Registration) error {
	var errs []error
	for _, r := range x.regs {
		if r.handler().script.handler.Given {
			errs = append(errs, r.Unregister())
		} else {
			regs = append(regs, r)
		}
	}
	x.regs = regs
	return errors.Join(errs...)
}

func sameMaps(a, b *compile.Unit) bool {
	return slices.EqualFunc(a.Maps, b.Maps, func(a, b object.Map) bool {
		a.Init, b.Init = nil, nil
		return reflect.DeepEqual(a, b)
	})
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
		if m.Name == object.Vars {
			spec.Flags = unix.BPF_F_MMAPABLE // for Set (5.5)
		}
		if m.Init != nil {
			spec.Contents = []ebpf.MapKV{{Key: uint32(0), Value: m.Init}}
		}
		opened, err := attach.NewMap(spec)
		if err != nil {
			return errors.Join(fmt.Errorf("make the map %s of %s: %w", m.Name, x.file.Name, err), x.close())
		}
		x.maps[m.Name] = opened
	}
	return nil
}

// compiled is a handler of a script.
type compiled struct {
	script  *Script
	unit    *compile.Unit
	handler *compile.Handler
}

// point is what the plan has to know of a handler.
func (c *compiled) point(r *Registration) plan.Point {
	h := c.handler
	p := plan.Point{
		Entry: r.entry, Return: r.probe.Return, FuncID: uint32(h.Func),
		Direct: h.Needs.Direct || !h.Needs.Args, Regs: h.Needs.Regs || h.Kind == "post", Stack: h.Needs.Stack,
		Paired: h.Needs.Paired, Alone: h.Kind == "post",
	}
	switch {
	case r.sym.Module != "":
		p.FuncID, p.NoFunc = 0, "a function of a module: its trampolines would need the module's own BTF"
	case p.FuncID == 0:
		p.NoFunc = errNotInBTF.Error()
	}
	return p
}

// attached is the handler for attach: to be called at each hit or once, and told of
// an instruction or not.
func (c *compiled) attached(once bool, site *compile.Site) *attach.Script {
	return &attach.Script{Maps: c.script.maps, Once: once, Emit: func(t capture.Target) (object.Program, error) {
		t.Point.Once = once
		target := compile.Target{
			Arch: t.Arch, Context: t.Context, Base: t.Base, Copy: t.Copy, Point: t.Point, Site: site,
		}
		if spec, err := c.script.session.on.spec(""); err == nil {
			target.Cast, target.TaskBTF = kernelReads(spec)
		}
		h, err := c.handler.Emit(target)
		if err != nil {
			return object.Program{}, fmt.Errorf("compile %s of %s: %w", c.handler.Name, c.script.file.Name, err)
		}
		c.script.session.loading = loading{c.script, h}
		return h.Program, nil
	}}
}

// scripts has one attach.Script for all points whose program can be the same.
type scripts map[serving]*attach.Script

// serving is what makes a program.
type serving struct {
	handler *compiled
	once    bool
	step    *Registration // whose program is told of an instruction
}

func (s scripts) of(r *Registration) *attach.Script {
	of, site := serving{handler: r.handler().script, once: r.probe.Once}, r.site()
	if site != nil {
		of.step = r
	}
	if s[of] == nil {
		s[of] = of.handler.attached(of.once, site)
	}
	return s[of]
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
	return &SourceError{diag.List{mistake}, l.script.file.Text}
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
