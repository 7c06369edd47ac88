// Package kernel gathers the facts of the running kernel.
//
// It answers by doing: it loads a program of two instructions, attaches a link
// to nothing and reads how the kernel refuses. It never goes by version
// numbers, and leaves nothing behind. Only what is asked for is looked at, since
// each command waits for it.
//
// It also lists the BPF links and programs that are alive, with the processes
// that hold them: the one other thing that the kernel tells only through bpf().
package kernel

import (
	"bytes"
	"io/fs"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"ktrap/internal/facts"
)

// Gather looks at the running kernel as this process sees it, for the features
// named or, with none named, for all. It never fails: what can't be told is
// facts.Unknown, with the reason. What a trace asks for costs 2 million
// instructions together.
func Gather(want ...facts.Feature) *facts.Kernel {
	if len(want) == 0 {
		want = facts.Features()
	}
	g := gatherer{root: os.DirFS("/"), kernel: identity(), tests: tests()}
	for _, f := range want {
		g.answer(f)
	}
	if g.kernel.Features[facts.BPF].State == facts.Yes {
		unix.Close(g.plain)
	}
	return g.kernel
}

// Release is the running kernel's, as uname -r says.
func Release() string {
	var name unix.Utsname
	// uname fails only on a bad pointer.
	_ = unix.Uname(&name)
	return unix.ByteSliceToString(name.Release[:])
}

func identity() *facts.Kernel {
	return &facts.Kernel{
		Release:  Release(),
		Arch:     runtime.GOARCH,
		Features: map[facts.Feature]facts.Answer{},
		CPUs: facts.CPUs{
			Online:   countCPUs("/sys/devices/system/cpu/online"),
			Possible: countCPUs("/sys/devices/system/cpu/possible"),
		},
	}
}

func countCPUs(path string) int {
	text, err := os.ReadFile(path)
	if err != nil {
		return runtime.NumCPU()
	}
	return facts.CountCPUs(string(text))
}

// gatherer answers each question once. Its files are those under root; system
// calls go to the kernel that runs.
type gatherer struct {
	root   fs.FS
	kernel *facts.Kernel
	tests  map[facts.Feature]test
	status *facts.Status
	btf    []byte

	plain int // of two instructions, once facts.BPF is answered with Yes
}

func (g *gatherer) answer(f facts.Feature) facts.Answer {
	a, done := g.kernel.Features[f]
	if !done {
		a = g.tests[f](g)
		g.kernel.Features[f] = a
	}
	return a
}

type test = func(*gatherer) facts.Answer

// tests is no variable, since tests ask for the answers of others.
func tests() map[facts.Feature]test {
	return map[facts.Feature]test{
		facts.Privileges:      (*gatherer).privileges,
		facts.Unlocked:        (*gatherer).unlocked,
		facts.SwitchedOn:      (*gatherer).switchedOn,
		facts.Ftrace:          (*gatherer).ftrace,
		facts.Kallsyms:        (*gatherer).kallsyms,
		facts.BPF:             (*gatherer).bpf,
		facts.Fentry:          (*gatherer).fentry,
		facts.KprobePerf:      (*gatherer).kprobePerf,
		facts.KprobeMulti:     (*gatherer).kprobeMulti,
		facts.KprobeSession:   (*gatherer).kprobeSession,
		facts.KprobeEvents:    (*gatherer).kprobeEvents,
		facts.FprobeEvents:    (*gatherer).fprobeEvents,
		facts.BTF:             (*gatherer).hasBTF,
		facts.AttachCookie:    (*gatherer).attachCookie,
		facts.LinkMissed:      (*gatherer).linkMissed,
		facts.RecursionMisses: (*gatherer).recursionMisses,
		facts.Ringbuf:         (*gatherer).ringbuf,
		facts.RdonlyCast:      (*gatherer).rdonlyCast,
		facts.KprobeOverride:  (*gatherer).kprobeOverride,
		facts.Unpreempted:     (*gatherer).unpreempted,
		facts.Optprobes:       (*gatherer).optprobes,
		facts.OnFtrace:        (*gatherer).onFtrace,
		facts.OnNotrace:       (*gatherer).onNotrace,
		facts.Kcore:           (*gatherer).kcore,
		facts.KprobeList:      (*gatherer).kprobeList,
	}
}

func yes() facts.Answer { return facts.Answer{State: facts.Yes} }

func no(why, mend string) facts.Answer { return facts.Answer{State: facts.No, Why: why, Mend: mend} }

func unknown(why, mend string) facts.Answer {
	return facts.Answer{State: facts.Unknown, Why: why, Mend: mend}
}

// first returns the answer of the first of needs that is not there, else then().
func (g *gatherer) first(then func() facts.Answer, needs ...facts.Feature) facts.Answer {
	for _, f := range needs {
		if a := g.answer(f); a.State != facts.Yes {
			return a
		}
	}
	return then()
}

func (g *gatherer) text(name string) (string, error) {
	text, err := fs.ReadFile(g.root, name)
	return string(bytes.TrimSpace(text)), err
}
