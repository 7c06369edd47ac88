package main

import (
	"fmt"
	"io"
	"strings"
	"testing"
)

// sum reads events as a stage of a kernel with BTF, in which TestA of package
// p was to run, and returns the last line and the exit code.
func sum(t *testing.T, events string) (string, int) {
	t.Helper()
	var out strings.Builder
	tally := newTally(&out, false)
	s := tally.stage("6.12", &manifest{Features: []string{"btf"}})
	s.expect("p", []string{"TestA"})
	if err := s.read(strings.NewReader(events)); err != nil {
		t.Fatal(err)
	}
	s.finish()
	code := tally.close()
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	return lines[len(lines)-1], code
}

func TestVerdictsAreSummedUp(t *testing.T) {
	const run = `{"Action":"start","Package":"p"}{"Action":"run","Package":"p","Test":"TestA"}`
	verdict := func(test, pkg string) string {
		return fmt.Sprintf(`{"Action":%q,"Package":"p","Test":"TestA"}{"Action":%q,"Package":"p"}`, test, pkg)
	}
	says := func(text string) string {
		return fmt.Sprintf(`{"Action":"output","Package":"p","Test":"TestA","Output":"    a_test.go:7: %s\n"}`, text)
	}
	for _, c := range []struct {
		name, events, want string
		code               int
	}{
		{"passed", run + verdict("pass", "pass"), "1 passed, 0 failed, 0 skipped", 0},
		{"failed once, though its package fails too", run + verdict("fail", "fail"), "0 passed, 1 failed, 0 skipped", 1},
		{"the package failed and no test", run + verdict("pass", "fail"), "1 passed, 1 failed, 0 skipped", 1},
		{"no verdict of the test under way", run + `{"Action":"fail","Package":"p"}`, "0 passed, 2 failed, 0 skipped", 1},
		{"no word at all", "", "0 passed, 1 failed, 0 skipped", 1},
		{"another test ran instead", `{"Action":"pass","Package":"p","Test":"TestB"}`, "1 passed, 1 failed, 0 skipped", 1},
		{"skipped for what the kernel lacks", run + says("needs kprobe-multi: 5.18") + verdict("skip", "pass") +
			`{"Action":"pass","Package":"p","Test":"TestB"}`, "1 passed, 0 failed, 1 skipped", 0},
		{"skipped for what the kernel has", run + says("needs btf: no file") + verdict("skip", "pass"), "0 passed, 1 failed, 0 skipped", 1},
		{"skipped without a feature", run + says("not today") + verdict("skip", "pass"), "0 passed, 1 failed, 0 skipped", 1},
		{"skipped and nothing else ran", run + says("needs kprobe-multi: 5.18") + verdict("skip", "pass"), "0 passed, 0 failed, 1 skipped", 1},
	} {
		if got, code := sum(t, c.events); got != c.want || code != c.code {
			t.Errorf("%s: got %q, exit %d; want %q, exit %d", c.name, got, code, c.want, c.code)
		}
	}
}

func TestAFailureIsShownWithWhatTheTestWrote(t *testing.T) {
	var out strings.Builder
	s := newTally(&out, false).stage("6.12", nil)
	s.event(event{Action: "run", Package: "p", Test: "TestA"})
	s.event(event{Action: "output", Package: "p", Test: "TestA", Output: "    a_test.go:7: got 1, want 2\n"})
	s.event(event{Action: "fail", Package: "p", Test: "TestA"})
	const want = "FAIL  6.12  p  TestA\n        a_test.go:7: got 1, want 2\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

func TestEveryManifestIsRead(t *testing.T) {
	for _, kernel := range strings.Split(everyKernel, ",") {
		if m, err := readManifest(kernel); err != nil || len(m.Features) == 0 {
			t.Errorf("%s: %v, %v", kernel, m, err)
		}
	}
	if _, err := readManifest("1.0"); err == nil {
		t.Error("a kernel without a manifest is no error")
	}
}

func TestOnlyTheTestsThatMatchAreRun(t *testing.T) {
	s := suite{tests: []string{"TestA", "TestAB", "TestC"}}
	for pattern, want := range map[string]string{
		"":         "^(TestA|TestAB|TestC)$",
		"^TestA":   "^(TestA|TestAB)$",
		"C/sub$":   "^(TestC)$/sub$",
		"TestA$|C": "^(TestA|TestC)$",
	} {
		picked, err := s.pick(pattern)
		if got := picked.runFlag(pattern); got != want || err != nil {
			t.Errorf("%q: got %q, %v; want %q", pattern, got, err, want)
		}
	}
}

func TestVerdictsThatAreNoVerdictsAreAnError(t *testing.T) {
	s := newTally(io.Discard, false).stage("6.12", nil)
	if err := s.read(strings.NewReader("what?")); err == nil {
		t.Error("no error")
	}
}
