package main

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// event is what go test -json and test2json write.
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

// tally sums up all tests. Its methods may be called together.
type tally struct {
	mu                      sync.Mutex
	out                     io.Writer
	verbose                 bool
	passed, failed, skipped int
	failures, skips         []string
}

func newTally(out io.Writer, verbose bool) *tally { return &tally{out: out, verbose: verbose} }

// say writes a line of progress.
func (t *tally) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// fail counts a failure that is not one test's.
func (t *tally) fail(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failed++
	t.failures = append(t.failures, what)
	fmt.Fprintf(t.out, "FAIL  %s\n", what)
}

func (t *tally) pass() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passed++
}

func (t *tally) skip(what string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.skipped++
	t.skips = append(t.skips, what)
}

// close writes what there is to know at the end; the sum is the last line. It
// returns the exit code.
func (t *tally) close() int {
	t.list("skipped", t.skips)
	t.list("FAILED", t.failures)
	fmt.Fprintf(t.out, "\n%d passed, %d failed, %d skipped\n", t.passed, t.failed, t.skipped)
	if t.failed > 0 || t.passed == 0 {
		return 1
	}
	return 0
}

func (t *tally) list(title string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(t.out, "\n%s:\n", title)
	for _, line := range slices.Compact(slices.Sorted(slices.Values(lines))) {
		line, _, _ = strings.Cut(line, "\n")
		fmt.Fprintf(t.out, "  %s\n", line)
	}
}

// stage is one run of tests, on one kernel or none.
type stage struct {
	*tally
	name     string
	manifest *manifest // nil where no skip is judged

	silent map[string]string // what tests without a verdict wrote, by package and test
	bad    map[string]int    // failures by package
}

func (t *tally) stage(name string, m *manifest) *stage {
	return &stage{tally: t, name: name, manifest: m, silent: map[string]string{}, bad: map[string]int{}}
}

// expect makes it a failure that one of these tests gives no verdict.
func (s *stage) expect(pkg string, tests []string) {
	for _, test := range tests {
		s.silent[key(pkg, test)] = ""
	}
}

func key(pkg, test string) string { return pkg + "  " + test }

// read takes the events of go test -json or test2json.
func (s *stage) read(r io.Reader) error {
	for d := json.NewDecoder(r); ; {
		var e event
		if err := d.Decode(&e); err == io.EOF {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the verdicts: %w", err)
		}
		s.event(e)
	}
}

func (s *stage) event(e event) {
	k := key(e.Package, e.Test)
	switch e.Action {
	case "run":
		s.silent[k] = ""
	case "output", "build-output":
		s.silent[k] += e.Output
		if s.verbose {
			s.say("%s", strings.TrimSuffix(e.Output, "\n"))
		}
	case "pass", "fail", "skip":
		text := s.silent[k]
		delete(s.silent, k)
		if e.Test == "" {
			s.packageEnd(e, text)
		} else {
			s.testEnd(e, text)
		}
	}
}

func (s *stage) testEnd(e event, text string) {
	where := s.name + "  " + key(e.Package, e.Test)
	switch e.Action {
	case "pass":
		s.pass()
	case "fail":
		s.fail(e.Package, where+"\n"+indent(text))
	case "skip":
		reason := skipReason(text)
		if err := s.manifest.allows(reason); err != nil {
			s.fail(e.Package, where+": "+err.Error())
		} else {
			s.skip(where + ": " + reason)
		}
	}
}

// packageEnd tells of a package; one that failed with no failed test did not
// build, or ended by itself.
func (s *stage) packageEnd(e event, text string) {
	where := s.name + "  " + e.Package
	switch e.Action {
	case "pass":
		s.say("ok    %s  (%.1fs)", where, e.Elapsed)
	case "fail":
		if s.bad[e.Package] == 0 {
			s.fail(e.Package, where+"\n"+indent(text))
		}
	}
}

func (s *stage) fail(pkg, what string) {
	s.bad[pkg]++
	s.tally.fail(what)
}

// finish counts the tests that were to run and gave no verdict.
func (s *stage) finish() {
	for k, text := range s.silent {
		if pkg, test, _ := strings.Cut(k, "  "); test != "" {
			s.fail(pkg, s.name+"  "+k+": no verdict\n"+indent(text))
		}
	}
	clear(s.silent)
}

func indent(text string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    ")
}

var skipLine = regexp.MustCompile(`(?m)^ *\S+\.go:\d+: (.*)$`)

// skipReason is what a test said last before it was skipped.
func skipReason(output string) string {
	lines := skipLine.FindAllStringSubmatch(output, -1)
	if len(lines) == 0 {
		return ""
	}
	return lines[len(lines)-1][1]
}
