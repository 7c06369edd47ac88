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
	regs     []*Registration // those that show what others did come first
	points   []plan.Point
	steps    []plan.Step
	skipped  []Skipped
	watching []*Registration // of regs, those that nobody asked for
}

// prepare does all that can be done without touching the kernel. The errors of
// all probes that can't be had are joined.
func (s *Session) prepare(ctx context.Context, probes []*Probe) (*prepared, error) {
	if len(probes) == 0 || slices.Contains(probes, nil) {
		return nil, errors.New("register: no probes, or one that is nil")
	}
	s.on.indexFunctions(entryNames(probes))
	s.on.kprobes = nil
	s.found = map[name]symbols.Symbol{}
	if functionsOf(probes) >= multitude {
		s.on.learn()
	}
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
		case len(errs) == 0 || errs[len(errs)-1].Error() != err.Error(): // not twice of one place
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if len(p.regs) == 0 {
		return nil, p.nothing()
	}
	if err := p.watch(s); err != nil {
		return nil, err
	}
	if err := p.keepOut(s); err != nil {
		return nil, err
	}
	return p, p.replan(s)
}

func (p *prepared) replan(s *Session) (err error) {
	p.steps, err = plan.Make(s.kernel, p.points, s.options())
	p.postsFirst()
	return err
}

// multitude is in how many functions probes are for which it is found out beforehand
// what the kernel would refuse one after the other.
const multitude = 100

// functionsOf is how many that are at most: an address may be in any.
func functionsOf(probes []*Probe) int {
	names, addresses := map[string]bool{}, 0
	for _, p := range probes {
		if p.Symbol == "" {
			addresses++
		} else {
			names[p.Symbol] = true
		}
	}
	return len(names) + addresses
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
	probe, err := s.compile(probe)
	if err != nil {
		return nil, point, err
	}
	if err := meansPID(probe.PID); err != nil {
		return nil, point, fmt.Errorf("%s: %w", probe.Place(), err)
	}
	sym, addr, err := s.find(probe)
	if err != nil {
		return nil, point, err
	}
	verdict := s.judges.Judge(s.query(probe, sym, addr))
	if err := verdict.Err(); err != nil {
		return nil, point, err
	}
	r := &Registration{session: s, probe: *probe, sym: sym, asked: addr, Addr: verdict.Addr}
	r.entry = verdict.Entry || addr == sym.Addr
	r.name = r.place()
	r.full = make([]uint64, s.kernel.CPUs.Possible)
	if err := errors.Join(s.post(r), r.onceless()); err != nil {
		return nil, point, err
	}
	point, err = s.typed(r)
	return r, point, err
}

// meansPID refuses a process id that the kernel would take for another process's.
func meansPID(pid uint32) error {
	if pid != 0 && kernel.InPIDNamespace() {
		return errors.New("a filter by process id counts in the machine's numbers, and this process is in a PID namespace with numbers of its own")
	}
	return nil
}

// find returns the symbol that the probe is in and the address that it means. An
// address without a symbol is left to the verdict.
func (s *Session) find(probe *Probe) (symbols.Symbol, uint64, error) {
	if probe.Addr != 0 {
		sym, _, _ := s.on.symbols.At(probe.Addr)
		return sym, probe.Addr, nil
	}
	if sym, matched := s.matched[name{probe.Module, probe.Symbol}]; matched {
		return sym, sym.Addr + probe.Offset, nil
	}
	if sym, found := s.found[name{probe.Module, probe.Symbol}]; found {
		return sym, sym.Addr + probe.Offset, nil
	}
	sym, addr, err := s.on.find(probe.place())
	if err == nil {
		s.found[name{probe.Module, probe.Symbol}] = sym
	}
	return sym, addr, err
}

func (s *Session) query(probe *Probe, sym symbols.Symbol, addr uint64) site.Query {
	return s.on.query(wanted{ret: probe.Return, unsafe: s.config.Unsafe}, sym, addr)
}

// entryNames are of the functions whose arguments are asked for: by each probe but those
// that are certainly inside.
func entryNames(probes []*Probe) (names []string) {
	const prologue = 16 // bytes: the kernel moves a probe behind what begins a function
	for _, p := range probes {
		if p.Offset < prologue {
			names = append(names, p.Symbol)
		}
	}
	return names
}

// typed decides what a hit of r records, and what the plan has to know of it.
func (s *Session) typed(r *Registration) (plan.Point, error) {
	if h := r.handler(); h != nil && h.script != nil {
		return h.script.point(r), nil
	}
	point := plan.Point{Entry: r.entry, Return: r.probe.Return, Regs: r.probe.Regs || r.posted != nil, Stack: r.probe.Stack}
	var spec *btf.Spec
	var id btf.ID
	if r.entry {
		var err error
		if spec, id, err = s.on.function(r.sym); err != nil {
			point.NoFunc = err.Error()
		}
	}
	w := capture.Want{
		Return:  r.probe.Return,
		Inside:  !r.entry,
		Regs:    point.Regs,
		Structs: r.probe.Structs,
		Once:    r.probe.Once,
		Filter:  capture.Filter{PID: r.probe.PID, Comm: r.probe.Comm},
	}
	if r.probe.Quiet {
		w = capture.Want{Return: w.Return, Inside: w.Inside, Quiet: true, Once: w.Once, Filter: w.Filter}
	}
	if r.posted != nil {
		w.Losses, w.Operands = true, r.posted.operands(s.numbers)
	}
	if r.probe.Stack {
		w.Frames = maxFrames
	}
	if r.probe.Show != "" && !r.probe.Quiet {
		r.shown = parts(r.probe.Show, parameters(spec, id, r.probe.Return))
	}
	for _, a := range r.shown {
		if a.isPath {
			w.Show = append(w.Show, a.text)
		}
	}
	var err error
	if r.expressions, err = s.express(r, r.shown); err != nil {
		return point, err
	}
	w.If, w.Part = r.cond, r.expressions.show
	r.typed, err = capture.Check(spec, id, s.arch, w)
	if err != nil {
		return point, fmt.Errorf("%s: %w", r.Place(), err)
	}
	if s.kernel.Programs() != nil {
		if _, err := r.typed.Fetch(s.arch); err != nil {
			return point, fmt.Errorf("%s: %w", r.Place(), err)
		}
	}
	for _, needs := range r.needs {
		point.Regs, point.Stack = point.Regs || needs.Regs, point.Stack || needs.Stack
		r.typed.Direct = r.typed.Direct && (needs.Direct || !needs.Args)
	}
	if !r.probe.Quiet {
		r.untyped = point.NoFunc
	}
	if r.sym.Module == "" {
		r.funcID = id
		point.FuncID, point.Direct = uint32(id), r.typed.Direct
	} else if id != 0 {
		point.NoFunc = "a function of a module: its trampolines would need the module's own BTF"
	}
	return point, nil
}

const maxFrames = 127 // the kernel's own limit, kernel.perf_event_max_stack

// job is p for attach.
func (p *prepared) job(s *Session) attach.Job {
	job := attach.Job{Kernel: s.kernel, Arch: s.arch, Ring: s.ring, Base: uint32(len(s.regs)), Steps: p.steps, Progress: s.config.Progress}
	scripts := scripts{}
	for _, r := range p.regs {
		point := attach.Point{Addr: r.Addr, Func: r.sym.Addr, FuncID: uint32(r.funcID)}
		if h := r.handler(); r.typed == nil {
			point.FuncID, point.Script = uint32(h.script.handler.Func), scripts.of(r)
		} else {
			point.Unit = &r.typed.Unit
		}
		job.Points = append(job.Points, point)
	}
	return job
}

// retreat changes p after the kernel refused one of its hooks: to kprobes where
// something cheaper was refused, else by leaving the point out or giving up.
func (p *prepared) retreat(s *Session, refused *attach.Refused) error {
	switch refused.Mechanism {
	case plan.Fentry, plan.Fexit:
		p.withoutTrampoline(refused)
	case plan.Multi, plan.ReturnMulti:
		if n := len(p.regs); p.leaveOutUntraceable(s) == nil && len(p.regs) < n {
			break
		}
		s.kernel.Features[facts.KprobeMulti] = facts.Answer{
			State: facts.No, Why: refused.Error(),
		}
	default:
		if refused.Point < 0 {
			for _, i := range refused.Points {
				p.points[i].Alone = true
			}
			break
		}
		r := p.regs[refused.Point]
		err := s.explain(r, refused)
		if r.needed() {
			return err
		}
		p.leaveOut(r, err)
		if err := p.leaveOutUntraceable(s); err != nil {
			return err
		}
	}
	if len(p.regs) == 0 {
		return nil
	}
	return p.replan(s)
}

// leaveOutUntraceable leaves out all that is refused by the list of traceable
// functions. The kernel tells of one place at a time, and each time all are attached
// anew: of 600 random places of 7.3 some 60 are in functions that are not on the list.
func (p *prepared) leaveOutUntraceable(s *Session) error {
	s.on.learn()
	for _, r := range slices.Clone(p.regs) {
		err := s.judges.Judge(s.query(&r.probe, r.sym, r.asked)).Err()
		switch {
		case err == nil || !slices.Contains(p.regs, r): // it has gone with another one
		case r.needed():
			return err
		default:
			p.leaveOut(r, err)
		}
	}
	return nil
}

// withoutTrampoline has a point caught otherwise, and with it the other one of a
// pair: its calls are known by what one mechanism tells of them.
func (p *prepared) withoutTrampoline(refused *attach.Refused) {
	at := p.points[refused.Point]
	for i := range p.points {
		if i == refused.Point || at.Paired && p.points[i].Paired && p.points[i].FuncID == at.FuncID {
			p.points[i].FuncID, p.points[i].NoFunc = 0, refused.Error()
		}
	}
}

// explain turns the kernel's refusal into a reason: with the list of traceable
// functions, which is too slow to be read before it is needed.
func (s *Session) explain(r *Registration, refused *attach.Refused) error {
	s.on.learn()
	if err := site.Judge(s.query(&r.probe, r.sym, r.asked)).Err(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", r.Place(), refused)
}
