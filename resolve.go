package ktrap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ktrap/internal/attach"
	"ktrap/internal/btf"
	"ktrap/internal/capture"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/plan"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// prepared is a set of probes that is ready to be attached: resolved, vetted,
// typed and planned.
type prepared struct {
	regs    []*Registration
	points  []plan.Point
	steps   []plan.Step
	skipped []Skipped
}

// prepare does all that can be done without touching the kernel. The errors of
// all probes that can't be had are joined.
func (s *Session) prepare(ctx context.Context, probes []*Probe) (*prepared, error) {
	if len(probes) == 0 || slices.Contains(probes, nil) {
		return nil, errors.New("register: no probes, or one that is nil")
	}
	s.indexFunctions(probes)
	s.kprobes = nil
	p := new(prepared)
	var errs []error
	for _, probe := range probes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, point, err := s.resolve(probe)
		switch {
		case err == nil:
			p.regs = append(p.regs, r)
			p.points = append(p.points, point)
		case probe.Optional:
			p.skipped = append(p.skipped, Skipped{probe, err})
		default:
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(p.regs) == 0 {
		return nil, p.nothing()
	}
	return p, p.replan(s)
}

func (p *prepared) replan(s *Session) (err error) {
	p.steps, err = plan.Make(s.kernel, p.points, s.options())
	return err
}

// nothing is the error of a set of which every probe was left out.
func (p *prepared) nothing() error {
	first := p.skipped[0]
	if strings.HasPrefix(first.Err.Error(), first.Probe.Place()) {
		return fmt.Errorf("none of %d places can be probed; the first: %w", len(p.skipped), first.Err)
	}
	return fmt.Errorf("none of %d places can be probed; the first, %s: %w", len(p.skipped), first.Probe.Place(), first.Err)
}

// resolve finds, vets and types one probe.
func (s *Session) resolve(probe *Probe) (*Registration, plan.Point, error) {
	var point plan.Point
	if err := probe.check(); err != nil {
		return nil, point, err
	}
	if probe.PID != 0 && kernel.InPIDNamespace() {
		return nil, point, fmt.Errorf("%s: a filter by process id counts in the machine's numbers, and this process is in a PID namespace with numbers of its own", probe.Place())
	}
	sym, addr, err := s.find(probe)
	if err != nil {
		return nil, point, err
	}
	verdict := site.Judge(s.query(probe, sym, addr))
	if err := verdict.Err(); err != nil {
		return nil, point, err
	}
	r := &Registration{session: s, probe: *probe, sym: sym, asked: addr, Addr: verdict.Addr}
	r.entry = verdict.Entry || addr == sym.Addr
	r.name = r.place()
	r.full = make([]uint64, s.kernel.CPUs.Possible)
	point, err = s.typed(r)
	return r, point, err
}

// find returns the symbol that the probe is in and the address that it means.
func (s *Session) find(probe *Probe) (symbols.Symbol, uint64, error) {
	if probe.Addr != 0 {
		sym, _, _ := s.symbols.At(probe.Addr)
		return sym, probe.Addr, nil
	}
	if sym, matched := s.matched[name{probe.Module, probe.Symbol}]; matched {
		return sym, sym.Addr + probe.Offset, nil
	}
	found, err := s.symbols.Lookup(probe.Module, probe.Symbol)
	if err != nil {
		return symbols.Symbol{}, 0, err
	}
	for _, other := range found[1:] {
		if other.Addr != found[0].Addr {
			return symbols.Symbol{}, 0, &symbols.AmbiguousError{Name: probe.Symbol, Symbols: found}
		}
	}
	return found[0], found[0].Addr + probe.Offset, nil
}

// query gathers what the verdict on addr is made from. What can't be read, as
// without debugfs, stays unknown: then the kernel itself will tell.
func (s *Session) query(probe *Probe, sym symbols.Symbol, addr uint64) site.Query {
	q := site.Query{
		Addr:   addr,
		Return: probe.Return,
		Unsafe: s.config.Unsafe,
		Func:   site.Func{Name: sym.Name, Module: sym.Module, Addr: sym.Addr, Size: sym.Size},
		Code:   s.code(sym),
		Kernel: s.rules(),
	}
	if in, err := s.symbols.InText(addr); err == nil {
		q.InText = site.AnswerOf(in)
	}
	if base, _, clone := strings.Cut(sym.Name, "."); clone {
		if bases, err := s.symbols.Lookup(sym.Module, base); err == nil {
			q.Func.Base = bases[0].Addr
		}
	}
	if s.traceable != nil {
		q.Func.Traceable = site.AnswerOf(s.canTrace(sym))
	}
	return q
}

// canTrace asks ftrace's list, which has one name of each place.
func (s *Session) canTrace(sym symbols.Symbol) bool {
	base, _, _ := strings.Cut(sym.Name, ".")
	if s.traceable[kernel.Function{Name: sym.Name, Module: sym.Module}] || s.traceable[kernel.Function{Name: base, Module: sym.Module}] {
		return true
	}
	aliases, err := s.symbols.Aliases(sym.Addr)
	return err == nil && slices.ContainsFunc(aliases, func(other symbols.Symbol) bool {
		return s.traceable[kernel.Function{Name: other.Name}]
	})
}

// rules are the kernel's own lists of forbidden places, read once.
func (s *Session) rules() *site.Kernel {
	if s.site == nil {
		s.site = new(site.Kernel)
		if ranges, err := kernel.Blacklist(); err == nil {
			s.site.Blacklist = make([]site.Range, 0, len(ranges))
			for _, r := range ranges {
				s.site.Blacklist = append(s.site.Blacklist, site.Range{Start: r.Start, End: r.End, Name: r.Symbol})
			}
		}
	}
	return s.site
}

// typed decides what a hit of r records, and what the plan has to know of it.
func (s *Session) typed(r *Registration) (plan.Point, error) {
	point := plan.Point{Entry: r.entry, Return: r.probe.Return, Regs: r.probe.Regs, Stack: r.probe.Stack}
	var spec *btf.Spec
	var id btf.ID
	if r.entry {
		var err error
		if spec, id, err = s.function(r); err != nil {
			point.NoFunc = err.Error()
		}
	}
	w := capture.Want{
		Return:  r.probe.Return,
		Inside:  !r.entry,
		Regs:    r.probe.Regs,
		Structs: r.probe.Structs,
		Filter:  capture.Filter{PID: r.probe.PID, Comm: r.probe.Comm},
	}
	if r.probe.Stack {
		w.Frames = maxFrames
	}
	if r.probe.Show != "" {
		w.Show = strings.Split(r.probe.Show, ",")
	}
	var err error
	r.typed, err = capture.Check(spec, id, s.arch, w)
	if err != nil {
		return point, fmt.Errorf("%s: %w", r.Place(), err)
	}
	if s.kernel.Programs() != nil {
		if _, err := r.typed.Fetch(s.arch); err != nil {
			return point, fmt.Errorf("%s: %w", r.Place(), err)
		}
	}
	r.untyped = point.NoFunc
	if r.sym.Module == "" {
		r.funcID = id
		point.FuncID, point.Direct = uint32(id), r.typed.Direct
	} else if id != 0 {
		point.NoFunc = "a function of a module: its trampolines would need the module's own BTF"
	}
	return point, nil
}

const maxFrames = 127 // the kernel's own limit, kernel.perf_event_max_stack

// function finds r's function in BTF. The error says why it is not there: then
// arguments have no names or types.
func (s *Session) function(r *Registration) (*btf.Spec, btf.ID, error) {
	spec, err := s.spec(r.sym.Module)
	if err != nil {
		return nil, 0, err
	}
	name := r.sym.Name
	ids, indexed := s.types.index[name]
	if !indexed || r.sym.Module != "" {
		ids = spec.Funcs(name)
	}
	if len(ids) == 0 && r.sym.Module == "" && !strings.Contains(name, ".") {
		ids = s.aliased(spec, r.sym)
	}
	switch {
	case len(ids) == 1:
		return spec, ids[0], nil
	case len(ids) > 1:
		return nil, 0, fmt.Errorf("BTF has %d functions named %s, with different arguments", len(ids), name)
	case strings.Contains(name, "."):
		return nil, 0, errChanged
	}
	return nil, 0, errNotInBTF
}

var errNotInBTF = errors.New("BTF does not know it")

var errChanged = errors.New("a copy that the compiler changed: its arguments are not those of the source")

// aliased finds the functions of BTF that have another name of the same place:
// __x64_sys_getppid is __do_sys_getppid.
func (s *Session) aliased(spec *btf.Spec, sym symbols.Symbol) []btf.ID {
	aliases, err := s.symbols.Aliases(sym.Addr)
	if err != nil {
		return nil
	}
	for _, other := range aliases {
		if other.Name == sym.Name {
			continue
		}
		if ids := spec.Funcs(other.Name); len(ids) > 0 {
			return ids
		}
	}
	return nil
}

// indexFunctions looks up the functions of many probes in one pass over BTF.
func (s *Session) indexFunctions(probes []*Probe) {
	spec, err := s.spec("")
	if err != nil || len(probes) < 2 {
		return
	}
	names := make([]string, len(probes))
	for i, p := range probes {
		names[i] = p.Symbol
	}
	s.types.index = spec.FuncIndex(names)
}

// spec opens the BTF of the kernel or of a module, once.
func (s *Session) spec(module string) (*btf.Spec, error) {
	t := &s.types
	if t.kernel == nil && t.err == nil {
		t.kernel, t.err = openBTF("", nil)
	}
	if t.err != nil || module == "" {
		return t.kernel, t.err
	}
	if spec, ok := t.modules[module]; ok {
		return spec, nil
	}
	spec, err := openBTF(module, t.kernel)
	if err != nil {
		return nil, err
	}
	if t.modules == nil {
		t.modules = map[string]*btf.Spec{}
	}
	t.modules[module] = spec
	return spec, nil
}

func openBTF(module string, base *btf.Spec) (*btf.Spec, error) {
	data, err := kernel.BTF(module)
	if err != nil {
		return nil, err
	}
	return btf.Parse(data, base)
}

// job is p for attach.
func (p *prepared) job(s *Session) attach.Job {
	job := attach.Job{Kernel: s.kernel, Arch: s.arch, Ring: s.ring, Base: uint32(len(s.regs)), Steps: p.steps, Progress: s.config.Progress}
	for _, r := range p.regs {
		job.Points = append(job.Points, attach.Point{Addr: r.Addr, Func: r.sym.Addr, FuncID: uint32(r.funcID), Unit: &r.typed.Unit})
	}
	return job
}

// retreat changes p after the kernel refused one of its hooks: to kprobes where
// something cheaper was refused, else by leaving the point out or giving up.
func (p *prepared) retreat(s *Session, refused *attach.Refused) error {
	switch refused.Mechanism {
	case plan.Fentry, plan.Fexit:
		p.points[refused.Point].FuncID = 0
		p.points[refused.Point].NoFunc = refused.Error()
	case plan.Multi, plan.ReturnMulti:
		s.kernel.Features[facts.KprobeMulti] = facts.Answer{
			State: facts.No, Why: refused.Error(),
		}
	default:
		err := s.explain(p.regs[refused.Point], refused)
		if !p.regs[refused.Point].probe.Optional {
			return err
		}
		p.leaveOut(refused.Point, err)
		if len(p.regs) == 0 {
			return nil
		}
	}
	return p.replan(s)
}

func (p *prepared) leaveOut(i int, err error) {
	p.skipped = append(p.skipped, Skipped{&p.regs[i].probe, err})
	p.regs = append(p.regs[:i:i], p.regs[i+1:]...)
	p.points = append(p.points[:i:i], p.points[i+1:]...)
}

// explain turns the kernel's refusal into a reason: with the list of traceable
// functions, which is too slow to be read before it is needed.
func (s *Session) explain(r *Registration, refused *attach.Refused) error {
	if s.traceable == nil {
		s.traceable, _ = kernel.Traceable()
	}
	if err := site.Judge(s.query(&r.probe, r.sym, r.asked)).Err(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", r.Place(), refused)
}
