package site

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/patch"
)

// able is a kernel with all that nearly all have.
func able(q *Query) {
	q.Kernel.Optprobes, q.Kernel.OnFtrace, q.Kernel.Retpolines, q.Kernel.Preemptible = Yes, Yes, Yes, Yes
}

func unpreempted(q *Query) { q.Kernel.Preemptible = No }

func TestTheMechanismIsTheKernelsChoice(t *testing.T) {
	const nops = " 90 90 90 90 90 90 90 90"
	old, first := release(5, 10), release(6, 1)
	for _, c := range []struct {
		name   string
		code   string
		offset uint64
		change []func(*Query)
		want   Mechanism
		better string
	}{
		{"the ftrace call at the entry", fsync510, 0, []func(*Query){old}, ByFtrace, ""},
		{"the ftrace nop behind endbr", fsync612, 4, nil, ByFtrace, ""},
		{"a call that a cold part begins with", "e800000000 0f0b" + nops, 0, []func(*Query){func(q *Query) { q.Func.Name = "vfs_fsync_range.cold" }}, ByEmulation,
			"not optimised: call 0xffffffff81306eb5 at +0x0 can't run in another place"},
		{"the endbr before it", fsync612, 0, nil, ByFtrace, ""},
		{"the entry of what can't be traced", "554889e5 4189fe c3" + nops, 0, []func(*Query){func(q *Query) { q.Func.Traceable, q.Kernel.NotraceAllowed = No, true }}, ByJump, ""},
		{"plain instructions", "55 4889e5 4189fe c3" + nops, 1, nil, ByJump, ""},
		{"the same where it is switched off", "55 4889e5 4189fe c3" + nops, 1, []func(*Query){func(q *Query) { q.Kernel.Optprobes = No }}, ByStep,
			"not optimised: this kernel's jump optimisation is switched off or not built in; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"the same without preemption", "55 4889e5 4189fe c3" + nops, 1, []func(*Query){func(q *Query) { q.Kernel.Optprobes = No }, unpreempted}, ByBoost,
			"not optimised: this kernel's jump optimisation is switched off or not built in"},
		{"in entry code", "55 4889e5 4189fe c3" + nops, 1, []func(*Query){func(q *Query) { q.Kernel.EntryText = Range{Start: start, End: start + 100} }}, ByStep,
			"not optimised: it is in the kernel's entry code; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a call", "55 e800000000 c3", 1, nil, ByEmulation, "not optimised: call 0xffffffff81306eb6 at +0x1 can't run in another place"},
		{"before a jump", "55 5d eb05" + nops, 1, nil, ByStep, "not optimised: jmp 0xffffffff81306eb9 at +0x2 can't run in another place; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"cli", "55 fa" + nops, 1, nil, ByJump, ""},
		{"cli at the end of a kernel that does not preempt itself", "55 fa c3", 1, []func(*Query){func(q *Query) { q.Kernel.Preemptible = No }}, ByBoost, "not optimised: only 2 bytes are left in vfs_fsync_range, the jump takes 5"},
		{"cli at the end", "55 fa c3", 1, nil, ByEmulation, "not optimised: only 2 bytes are left in vfs_fsync_range, the jump takes 5"},
		{"what ends in code that is not known", "55" + strings.Repeat("90", 3) + "00", 1, []func(*Query){func(q *Query) { q.Func.Size = 6 }}, ByStep, "not optimised: the code behind it is not known; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"what ends inside an instruction, as padding may", "55" + strings.Repeat("90", 4) + "00", 1, nil, ByJump, ""},
		{"what is jumped into", "55 4889e5 4189fe ebf8" + nops, 1, nil, ByJump, ""},
		{"the bytes before", "55 4889e5 4189fe ebfb" + nops, 1, nil, ByStep,
			"not optimised: +0x7 jumps to +0x4, into the bytes that the jump takes; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a shift up to 6.8", "55 c1e003 4189fe c3" + nops, 1, []func(*Query){first}, ByStep,
			"not optimised: shl $0x3,%eax at +0x1 can't run in another place; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a shift", "55 c1e003 4189fe c3" + nops, 1, nil, ByJump, ""},
		{"a function that may fault", "55 4889e5 4189fe 8b07 c3" + nops, 1, []func(*Query){patches(patch.Exception, 7, 2)}, ByStep,
			"not optimised: vfs_fsync_range has an instruction that may fault, at +0x7, and code that mends it may come back anywhere; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"its instruction", "55 4889e5 4189fe 8b07 c3" + nops, 7, []func(*Query){patches(patch.Exception, 7, 2), unpreempted}, ByStep,
			"not optimised: vfs_fsync_range has an instruction that may fault, at +0x7, and code that mends it may come back anywhere; not boosted: it may fault"},
		{"beside a jump label", "55 4889e5 0f1f440000 c3" + nops, 1, []func(*Query){patches(patch.JumpLabel, 4, 5)}, ByStep,
			"not optimised: the jump label at +0x4 is in the bytes that the jump takes; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a function with an indirect jump", "55 4889e5 4189fe ffe0" + nops, 1, nil, ByJump, ""},
		{"the same up to 6.5", "55 4889e5 4189fe ffe0" + nops, 1, []func(*Query){first}, ByStep,
			"not optimised: vfs_fsync_range has an indirect jump, at +0x7, which may lead anywhere; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a jump through a thunk up to 6.5", "55 4889e5 4189fe e900000000" + nops, 1, []func(*Query){first, func(q *Query) { q.Kernel.Thunks = Range{Start: start + 12, End: start + 13} }}, ByStep,
			"not optimised: vfs_fsync_range has a jump through a thunk, at +0x7, which may lead anywhere; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"bytes that are no instruction behind it", "55 4889e5 4189fe c3 06", 1, nil, ByStep,
			"not optimised: the bytes at +0x8 of vfs_fsync_range are no instruction; not boosted: this kernel may preempt itself (CONFIG_PREEMPTION)"},
		{"a refused place", fsync612, 1, nil, Unsettled, ""},
		{"no code", fsync612, 9, []func(*Query){func(q *Query) { q.Code = nil }}, Unsettled, "its code is not known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := Explain(ask(t, c.code, c.offset, append([]func(*Query){able}, c.change...)...))
			if e.Mechanism != c.want || e.Better != c.better {
				t.Errorf("got %s %q\nwant %s %q (%v)", e.Mechanism, e.Better, c.want, c.better, e.Err())
			}
		})
	}
}

func TestWhatIsNotKnownIsAssumedAndSaid(t *testing.T) {
	e := Explain(ask(t, "55 4889e5 4189fe c3 9090909090", 1, func(q *Query) { q.Kernel = new(Kernel) }))
	if diff := cmp.Diff([]Reason{JumpLabel, StaticCall, Exceptions}, e.Assumed); e.Mechanism != ByJump || diff != "" {
		t.Errorf("%s, assumed (-want +got):\n%s", e.Mechanism, diff)
	}
}

func TestTheTrailTellsEachRuleInTheKernelsOrder(t *testing.T) {
	e := Explain(ask(t, fsync612, 0x4b, patches(patch.JumpLabel, 0x4b, 5)))
	var reasons []string
	for _, s := range e.Trail {
		reasons = append(reasons, string(s.Reason))
		if refused := s.Reason == JumpLabel; refused != (s.Answer == No) || refused && s.Found != "is a jump label, which the kernel patches" {
			t.Errorf("%+v", s)
		}
	}
	const want = "notrace outside-text outside-text no-symbol beyond-function blacklisted jump-label static-call bug cfi-prefix undecodable inside-instruction ud int3-padding emulated masks-exceptions far-branch virtual-machine indirect-memory prefixed-call mistaken-vector misemulated end-of-module lock-prefix"
	got := strings.Split(strings.Join(reasons, " "), " ")
	if diff := cmp.Diff(sorted(want), sorted(strings.Join(got, " "))); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if got[0] != "notrace" || slices.Index(got, "jump-label") > slices.Index(got, "bug") {
		t.Errorf("order: %v", got)
	}
	for i, s := range e.Trail {
		if want := i <= slices.Index(got, "jump-label"); s.Asked != want {
			t.Errorf("%s is asked: %t", s.Reason, s.Asked)
		}
	}
}

func sorted(words string) []string { return slices.Sorted(slices.Values(strings.Fields(words))) }

func TestASurveySaysOfEachInstructionWhatIsSaidOfItAlone(t *testing.T) {
	for _, code := range []string{fsync612, "f30f1efa 0f1f440000 55 e800000000 0f0b c1e003 ff5010 2ee800000000 c5f9ebc0 c3 cc cc"} {
		q := ask(t, code, 0, able, patches(patch.Bug, 15, 2))
		marks := Survey(q)
		var covered int
		for _, m := range marks {
			covered += len(m.Inst.Bytes)
			q.Addr = m.Inst.Addr
			e := Explain(q)
			if m.OK != e.OK() || m.Mechanism != e.Mechanism || m.Better != e.Better || e.Refusal != nil && (e.Refusal.Reason != m.Reason || e.Refusal.Detail != m.Why) {
				t.Errorf("+%#x: the survey says %+v, alone it is %+v", m.Inst.Addr-start, m, e)
			}
		}
		if covered != len(q.Code) {
			t.Errorf("%d of %d bytes are marked", covered, len(q.Code))
		}
	}
}

func TestOfARM64TheInstructionsAreToldAndNoMechanism(t *testing.T) {
	marks := Survey(ask(t, "1f2003d5 1f2003d5 c0035fd6", 0, arm64, patches(patch.Exception, 4, 4)))
	if len(marks) != 3 || !marks[0].OK || marks[0].Mechanism != Unsettled || marks[1].Reason != Exceptions {
		t.Errorf("%+v", marks)
	}
}

func TestASurveyTakesLinearTime(t *testing.T) {
	took := func(instructions int) time.Duration {
		q := ask(t, strings.Repeat("4889e5 eb00", instructions/2), 0, able)
		began := time.Now()
		if n := len(Survey(q)); n != instructions {
			t.Fatalf("%d marks of %d instructions", n, instructions)
		}
		return time.Since(began)
	}
	short, long := took(2000), took(40000)
	t.Logf("2,000 instructions %v, 40,000 %v", short, long)
	if long > 100*short {
		t.Errorf("20 times the instructions take %v, %v for 2,000", long, short)
	}
}
