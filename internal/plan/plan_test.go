package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/facts"
)

// kernel is one that has these features and is known to lack the others.
func kernel(have ...facts.Feature) *facts.Kernel {
	k := &facts.Kernel{Features: map[facts.Feature]facts.Answer{}}
	for _, f := range facts.Features() {
		k.Features[f] = facts.Answer{State: facts.No, Why: "not in this kernel"}
	}
	for _, f := range have {
		k.Features[f] = facts.Answer{State: facts.Yes}
	}
	return k
}

// programs is a kernel that runs programs and has these features too.
func programs(have ...facts.Feature) *facts.Kernel {
	return kernel(append(have, facts.Privileges, facts.BPF, facts.Ringbuf)...)
}

var (
	newest = programs(facts.Fentry, facts.KprobePerf, facts.KprobeMulti, facts.LinkMissed, facts.KprobeEvents, facts.Unpreempted)
	// lively preempts the programs of trampolines.
	lively = programs(facts.Fentry, facts.KprobePerf, facts.KprobeMulti, facts.LinkMissed, facts.KprobeEvents)
	oldest = programs(facts.Fentry, facts.KprobePerf, facts.KprobeEvents, facts.Unpreempted)
	bare   = kernel(facts.KprobePerf, facts.KprobeEvents)
	entry  = Point{Entry: true, FuncID: 7, Direct: true}
)

func returns(p Point) Point { p.Return = true; return p }
func regs(p Point) Point    { p.Regs = true; return p }
func stack(p Point) Point   { p.Stack = true; return p }
func paired(p Point) []Point {
	p.Paired = true
	return []Point{p, returns(p)}
}

func TestTheCheapestMechanismThatServesIsChosen(t *testing.T) {
	inside := Point{}
	untyped := Point{Entry: true, NoFunc: "BTF does not know it"}
	byValue := Point{Entry: true, FuncID: 7}
	for _, c := range []struct {
		name   string
		kernel *facts.Kernel
		points []Point
		opts   Options
		want   []Mechanism
	}{
		{"an entry", newest, []Point{entry}, Options{}, []Mechanism{Fentry}},
		{"a return", newest, []Point{returns(entry)}, Options{}, []Mechanism{Fexit}},
		{"a place inside", newest, []Point{inside}, Options{}, []Mechanism{Kprobe}},
		{"registers", newest, []Point{regs(entry)}, Options{}, []Mechanism{Kprobe}},
		{"a stack", newest, []Point{stack(entry)}, Options{}, []Mechanism{Kprobe}},
		{"no BTF", newest, []Point{untyped}, Options{}, []Mechanism{Kprobe}},
		{"no BTF, a return", newest, []Point{returns(untyped)}, Options{}, []Mechanism{Kretprobe}},
		{"a struct by value", newest, []Point{byValue}, Options{}, []Mechanism{Kprobe}},
		{"entry and inside", newest, []Point{entry, inside}, Options{}, []Mechanism{Fentry, Kprobe}},
		{"an entry where programs are preempted", lively, []Point{entry}, Options{}, []Mechanism{Multi}},
		{"a return there", lively, []Point{returns(entry)}, Options{}, []Mechanism{ReturnMulti}},
		{"registers there", lively, []Point{regs(entry)}, Options{}, []Mechanism{Kprobe}},
		{"a pair", newest, paired(entry), Options{}, []Mechanism{Fentry, Fexit}},
		{"a pair where programs are preempted", lively, paired(entry), Options{}, []Mechanism{Kprobe, Kretprobe}},
		{"a pair with registers", newest, paired(regs(entry)), Options{}, []Mechanism{Kprobe, Kretprobe}},
		{"many pairs", newest, slices.Repeat(paired(entry), many), Options{}, []Mechanism{Kprobe, Kretprobe}},
		{"many entries with registers", newest, slices.Repeat([]Point{regs(entry)}, many), Options{}, []Mechanism{Kprobe}},
		{"many entries", newest, slices.Repeat([]Point{entry}, many), Options{}, []Mechanism{Multi}},
		{"many returns", newest, slices.Repeat([]Point{returns(entry)}, many), Options{}, []Mechanism{ReturnMulti}},
		{"many without kprobe.multi", oldest, slices.Repeat([]Point{entry}, many), Options{}, []Mechanism{Kprobe}},
		{"a place inside, of an old kernel", oldest, []Point{inside}, Options{}, []Mechanism{Kprobe}},
		{"a crowd inside", newest, slices.Repeat([]Point{inside}, crowd), Options{Guarded: true}, []Mechanism{Event}},
		{"a crowd inside, and nobody to remove its event", newest, slices.Repeat([]Point{inside}, crowd), Options{}, []Mechanism{Kprobe}},
		{"a crowd that was refused together", newest, slices.Repeat([]Point{{Alone: true}}, crowd), Options{Guarded: true}, []Mechanism{Kprobe}},
		{"no programs", bare, []Point{entry, inside}, Options{}, []Mechanism{Event}},
		{"no programs, a return", bare, []Point{returns(entry)}, Options{}, []Mechanism{ReturnEvent}},
		{"no programs, events asked for", bare, []Point{entry}, Options{Mechanism: Event}, []Mechanism{Event}},
		{"asked for", newest, []Point{entry}, Options{Mechanism: Kprobe}, []Mechanism{Kprobe}},
		{"events asked for by the short word", oldest, []Point{entry}, Options{Mechanism: "event"}, []Mechanism{Event}},
		{"asked for, a return", newest, []Point{returns(entry)}, Options{Mechanism: Multi}, []Mechanism{ReturnMulti}},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps, err := Make(c.kernel, c.points, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			var got []Mechanism
			served := 0
			for _, s := range steps {
				got = append(got, s.Mechanism)
				served += len(s.Points)
				if s.Bare != (c.kernel == bare) {
					t.Errorf("%s is bare: %t", s.Mechanism, s.Bare)
				}
				if s.Reason == "" || s.Cost == 0 {
					t.Errorf("%s has reason %q and cost %d", s.Mechanism, s.Reason, s.Cost)
				}
			}
			if diff := cmp.Diff(c.want, got); diff != "" || served != len(c.points) {
				t.Errorf("%d of %d points served; mechanisms, -want +got:\n%s", served, len(c.points), diff)
			}
		})
	}
}

func TestAMechanismThatCannotServeIsRefusedWithTheReason(t *testing.T) {
	for _, c := range []struct {
		name   string
		kernel *facts.Kernel
		point  Point
		wish   Mechanism
		want   string
	}{
		{"fentry inside a function", newest, Point{}, Fentry, "inside a function"},
		{"fentry with registers", newest, regs(entry), Fentry, "registers"},
		{"kprobe.multi inside a function", newest, Point{}, Multi, "entries only"},
		{"kprobe.multi with registers", newest, regs(entry), Multi, "only the registers"},
		{"kprobe.multi on a kernel without", oldest, entry, Multi, "not in this kernel"},
		{"kprobe on a kernel without", programs(), Point{}, "", "not in this kernel"},
		{"kprobe without programs", bare, Point{}, Kprobe, "without BPF"},
		{"nothing without programs and tracefs", kernel(), Point{}, "", "not in this kernel"},
		{"a word that is none", newest, entry, "uprobe", "no mechanism"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Make(c.kernel, []Point{c.point}, Options{Mechanism: c.wish})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %v, want one with %q", err, c.want)
			}
		})
	}
}
