//go:build live

package main_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// These tests run ktrap as a user does, as root on a real kernel in the lab.

// run is a finished ktrap.
type run struct {
	code        int
	out, errors string
}

func ktrap(t *testing.T, args ...string) run {
	t.Helper()
	return finish(t, exec.CommandContext(t.Context(), "ktrap", args...))
}

func finish(t *testing.T, cmd *exec.Cmd) run {
	t.Helper()
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return run{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

func (r run) String() string {
	return fmt.Sprintf("exit code %d\n-- stdout --\n%s-- stderr --\n%s", r.code, r.out, r.errors)
}

// connecting connects over a unix socket, again and again, until the test ends.
func connecting(t *testing.T) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan bool)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if c, err := net.Dial("unix", name); err == nil {
				c.Close()
			}
			time.Sleep(time.Millisecond)
		}
	}()
	t.Cleanup(func() { cancel(); <-done; l.Close() })
}

// event is what trace --json prints.
type event struct {
	Kind  string
	PID   int
	Comm  string
	Probe string
	Addr  string
	Time  time.Time
	Args  map[string]any
	Regs  map[string]string
	// Of the summary:
	Complete bool
	Probes   []account
}

type account struct {
	Hits, Delivered, Filtered, Cut, Missed, Recursion, Lost uint64
	Mechanism                                               string
	Complete                                                bool
}

func parse(t *testing.T, r run) (events []event, summary event) {
	t.Helper()
	for line := range strings.Lines(r.out) {
		var ev event
		if err := json.Unmarshal([]byte(line), &ev); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		events = append(events, ev)
	}
	if len(events) == 0 || events[len(events)-1].Kind != "summary" {
		t.Fatalf("no summary: %v", r)
	}
	last := len(events) - 1
	for _, a := range events[last].Probes {
		if sum := a.Delivered + a.Filtered + a.Cut + a.Missed + a.Recursion + a.Lost; sum != a.Hits {
			t.Errorf("%d hits, but the parts are %d: %+v", a.Hits, sum, a)
		}
	}
	return events[:last], events[last]
}

func TestTraceShowsATypedEventForEachHit(t *testing.T) {
	connecting(t)
	addr := address(t, "unix_stream_connect")
	for _, place := range []string{"unix_stream_connect", addr} {
		r := ktrap(t, "trace", place, "--pid", fmt.Sprint(os.Getpid()), "--count", "3", "--json")
		events, _ := parse(t, r)
		if r.code != 0 || len(events) != 3 {
			t.Fatalf("%s: want 3 events: %v", place, r)
		}
		for _, ev := range events {
			if ev.PID != os.Getpid() || ev.Probe != "unix_stream_connect" || ev.Kind != "pre" || time.Since(ev.Time).Abs() > time.Minute {
				t.Errorf("%s: %+v", place, ev)
			}
			if sock, _ := ev.Args["sock"].(string); !strings.HasPrefix(sock, "0xffff") {
				t.Errorf("%s: sock is %v, want a kernel address", place, ev.Args["sock"])
			}
			if n, ok := ev.Args["addr_len"].(float64); !ok || n < 4 || n > 110 {
				t.Errorf("%s: addr_len is %v, want the length of an address", place, ev.Args["addr_len"])
			}
		}
	}
}

func address(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/kallsyms")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^([0-9a-f]+) [tT] ` + name + `$`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("no %s in /proc/kallsyms", name)
	}
	return "0x" + string(found[1])
}

func TestTraceShowsTheRegistersInsideAFunction(t *testing.T) {
	connecting(t)
	// An offset that is no boundary is answered with those beside it.
	refused := ktrap(t, "trace", "unix_stream_connect+0x2a", "--regs", "--count", "1")
	place := "unix_stream_connect+0x2a"
	if refused.code == 1 {
		near := regexp.MustCompile(`nearest places: (\S+?)[,\n]`).FindStringSubmatch(refused.errors)
		if near == nil {
			t.Fatalf("no nearest place: %v", refused)
		}
		place = near[1]
	}
	r := ktrap(t, "trace", place, "--regs", "--count", "2", "--json")
	events, _ := parse(t, r)
	if len(events) != 2 || events[0].Probe != place || len(events[0].Regs) != 21 || !strings.HasPrefix(events[0].Regs["sp"], "0xffff") {
		t.Errorf("%s: %v", place, r)
	}
}

func TestTraceTypesWhatAFunctionReturns(t *testing.T) {
	r := ktrap(t, "trace", "vfs_read%return", "--count", "2", "--duration", "20s")
	if !regexp.MustCompile(`(?m) vfs_read%return\(\) = -?\d+$`).MatchString(r.out) || r.code != 0 {
		// The reads are ktrap's own and ours.
		t.Errorf("want a line that ends in = NUMBER: %v", r)
	}
}

func TestAPatternAttachesAllItCanAndNamesTheRest(t *testing.T) {
	r := ktrap(t, "trace", "vfs_*", "--count", "5")
	if r.code != 0 || !strings.Contains(r.errors, "left out vfs_get_tree.cold") || !strings.Contains(r.errors, "probes: ") {
		t.Errorf("%v", r)
	}
}

func TestADryRunArmsNothing(t *testing.T) {
	before := armed(t)
	r := ktrap(t, "trace", "vfs_read", "vfs_read%return", "unix_stream_connect", "-n")
	if diff := cmp.Diff(before, armed(t)); diff != "" || r.code != 0 || !regexp.MustCompile(`(?m)^(fentry|kprobe\.multi), about \d+ instructions`).MatchString(r.out) || strings.Count(r.out, " 0x") != 3 {
		t.Errorf("%v\narmed, -before +after:\n%s", r, diff)
	}
}

// armed is what is armed on the machine, whoever did it. What the kernel still
// takes down, it is given some time for.
func armed(t *testing.T) string {
	t.Helper()
	var all []byte
	for _, name := range []string{"/sys/kernel/debug/kprobes/list", "/sys/kernel/tracing/enabled_functions", "/sys/kernel/tracing/kprobe_events"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	return string(all)
}

// TestMain lets the test program be, with KTRAP_TEST_UNMOUNT set, a process that
// sees no tracefs and becomes ktrap.
func TestMain(m *testing.M) {
	if os.Getenv("KTRAP_TEST_UNMOUNT") != "" {
		for _, dir := range []string{"/sys/kernel/debug/tracing", "/sys/kernel/debug", "/sys/kernel/tracing"} {
			unix.Unmount(dir, unix.MNT_DETACH)
		}
		panic(unix.Exec("/usr/bin/ktrap", append([]string{"ktrap"}, os.Args[1:]...), nil))
	}
	os.Exit(m.Run())
}

// write sets a file of the kernel's, and sets it back when the test ends.
func write(t *testing.T, name, value string) {
	t.Helper()
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(value), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.WriteFile(name, old, 0) })
}

func TestBadInputIsRefusedInWordsAndArmsNothing(t *testing.T) {
	type change func(t *testing.T, cmd *exec.Cmd)
	sysctl := func(name, value string) change {
		return func(t *testing.T, _ *exec.Cmd) { write(t, name, value) }
	}
	nobody := func(_ *testing.T, cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	for _, c := range []struct {
		name   string
		args   string
		change change
		code   int
		want   string // in stderr
	}{
		{"an unknown symbol", "unix_stream_conect", nil, 1, "did you mean unix_stream_connect"},
		{"an unknown member", "vfs_read --show file.f_flag", nil, 1, "f_flags"},
		{"inside an instruction", "unix_stream_connect+0x1", nil, 1, "nearest places: unix_stream_connect"},
		{"beyond the function", "unix_stream_connect+0x100000", nil, 1, "unix_stream_connect+0x100000"},
		{"a blacklisted function", blacklisted(t), nil, 1, "blacklist"},
		{"outside the text", "0xffff888000001000", nil, 1, "outside the text"},
		{"a module that is not there", "ext4:ext4_sync_file", nil, 1, "module ext4 is not loaded"},
		{"no place", "", nil, 2, "needs a place"},
		{"an offset without digits", "vfs_read+", nil, 2, "no offset after +"},
		{"an unknown suffix", "vfs_read%ret", nil, 2, "%return"},
		{"an unknown flag", "vfs_read --cuont 3", nil, 2, "unknown flag: --cuont"},
		{"a name that no thread has", "vfs_read --comm sixteen_letters_", nil, 2, "15 bytes"},
		{"an unknown mechanism", "vfs_read --mechanism uprobe", nil, 2, "fentry"},
		{"no rights", "vfs_read", nobody, 1, "run it as root"},
		{"hidden addresses", "vfs_read", sysctl("/proc/sys/kernel/kptr_restrict", "2"), 1, "kptr_restrict=1"},
		{"kprobes switched off", "vfs_read", sysctl("/sys/kernel/debug/kprobes/enabled", "0"), 1, "echo 1 > /sys/kernel/debug/kprobes/enabled"},
		{"a folder that is not there", "vfs_read -o /nowhere/x", nil, 1, "/nowhere/x: no such file or directory"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "ktrap", append([]string{"trace", "--duration", "1s"}, strings.Fields(c.args)...)...)
			before := armed(t)
			if c.change != nil {
				c.change(t, cmd)
			}
			r := finish(t, cmd)
			if r.code != c.code || !strings.Contains(r.errors, c.want) || r.out != "" || strings.Contains(r.errors, "panic") {
				t.Errorf("ktrap trace %s: want exit code %d and %q: %v", c.args, c.code, c.want, r)
			}
			if diff := cmp.Diff(before, armed(t)); diff != "" && c.name != "kprobes switched off" {
				t.Errorf("-before +after:\n%s", diff)
			}
		})
	}
}

func blacklisted(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("/sys/kernel/debug/kprobes/blacklist")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if _, name, ok := strings.Cut(strings.TrimSpace(line), "\t"); ok && strings.HasPrefix(name, "exc_") {
			return name
		}
	}
	t.Fatal("no exception handler is blacklisted")
	return ""
}

func TestWithoutTracefsProbesStillWork(t *testing.T) {
	connecting(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "trace", "unix_stream_connect", "--count", "1", "--regs")
	cmd.Env = []string{"KTRAP_TEST_UNMOUNT=1"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if r := finish(t, cmd); r.code != 0 || strings.Count(r.out, "\n") != 1 {
		t.Errorf("%v", r)
	}
}

func TestAThreadsNameCannotForgeALine(t *testing.T) {
	runtime.LockOSThread() // and never unlock: the thread ends with its name
	if err := os.WriteFile("/proc/thread-self/comm", []byte("a\nb\x1b[31m"), 0); err != nil {
		t.Fatal(err)
	}
	stop := make(chan bool)
	done := make(chan bool)
	go func() {
		defer close(done)
		r := ktrap(t, "trace", "__x64_sys_umask", "--pid", fmt.Sprint(os.Getpid()), "--count", "1")
		if strings.Count(r.out, "\n") != 1 || !strings.Contains(r.out, `"a\nb\x1b[31m"`) {
			t.Errorf("%q", r.out)
		}
	}()
	go func() { <-done; close(stop) }()
	for {
		select {
		case <-stop:
			return
		default:
			unix.Umask(0o22)
			time.Sleep(time.Millisecond)
		}
	}
}

func TestANamedPipeWithoutAReaderIsLeftAtASignal(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ktrap", "trace", "vfs_read", "-o", pipe)
	time.AfterFunc(time.Second, func() { cmd.Process.Signal(unix.SIGINT) })
	if r := finish(t, cmd); r.code != 1 || !strings.Contains(r.errors, "interrupted") {
		t.Errorf("%v", r)
	}
}

func TestASignalDetachesAlsoWhileTheOutputIsBlocked(t *testing.T) {
	before := armed(t)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "ktrap", "trace", "__x64_sys_umask", "--pid", fmt.Sprint(os.Getpid()))
	cmd.Stdout = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	for range 500 { // more than a pipe and the buffer hold, once it is armed
		for range 20 {
			unix.Umask(0o22)
		}
		time.Sleep(2 * time.Millisecond)
	}
	cmd.Process.Signal(unix.SIGINT)
	time.Sleep(2 * time.Second)
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Errorf("nobody reads, and the probe is still armed, -before +now:\n%s", diff)
	}
	read.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestARefusalLeavesTheOutputFileAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keep")
	if err := os.WriteFile(name, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	ktrap(t, "trace", "nosuchfn", "-o", name)
	if text, err := os.ReadFile(name); string(text) != "precious" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestAFullDiskEndsTheTraceAndIsTold(t *testing.T) {
	before := armed(t)
	r := ktrap(t, "trace", "vfs_read", "-o", "/dev/full", "--duration", "20s")
	if r.code != 1 || !strings.Contains(r.errors, "no space left on device") || !strings.Contains(r.errors, " delivered") {
		t.Errorf("want exit code 1, the reason and the summary: %v", r)
	}
	if diff := cmp.Diff(before, armed(t)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestAReaderThatGoesAwayEndsTheTrace(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "ktrap", "trace", "vfs_read", "--duration", "20s")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(pipe).ReadString('\n')
	pipe.Close()
	if err := cmd.Wait(); err != nil || !strings.Contains(line, "vfs_read(") || !strings.Contains(stderr.String(), " delivered") {
		t.Errorf("%v after %q, want an end without an error and the summary: %s", err, line, &stderr)
	}
}

func TestASignalDetachesAndPrintsTheSummary(t *testing.T) {
	for _, signal := range []os.Signal{unix.SIGINT, unix.SIGTERM} {
		before := armed(t)
		cmd, stderr := started(t, "trace", "vfs_read", "-o", filepath.Join(t.TempDir(), "out"))
		cmd.Process.Signal(signal)
		if err := cmd.Wait(); err != nil || !strings.Contains(stderr(), " delivered") {
			t.Errorf("%v: %v, want the summary: %s", signal, err, stderr())
		}
		if diff := cmp.Diff(before, armed(t)); diff != "" {
			t.Errorf("%v: -before +after:\n%s", signal, diff)
		}
	}
}

// started starts ktrap and waits until it traces; stderr waits for its end.
func started(t *testing.T, args ...string) (cmd *exec.Cmd, stderr func() string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), "ktrap", args...)
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	var text bytes.Buffer
	r := bufio.NewReader(read)
	for {
		line, err := r.ReadString('\n')
		text.WriteString(line)
		if err != nil {
			t.Fatalf("ktrap %v did not start: %s", args, &text)
		}
		if strings.HasPrefix(line, "tracing ") {
			break
		}
	}
	rest := make(chan bool)
	go func() { defer close(rest); text.ReadFrom(r) }()
	t.Cleanup(func() { read.Close(); <-rest })
	return cmd, func() string {
		<-rest
		return text.String()
	}
}

func TestABurstIsDeliveredWholeOrAccountedFor(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	n := 100_000
	if os.Getenv("KTRAP_DEEP") != "" {
		n = 500_000
	}
	cmd, stderr := started(t, "trace", "__x64_sys_umask", "--json", "-o", out)
	if text, err := exec.Command("ktrap", "lab", "load", fmt.Sprintf("umask:%d", n)).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	cmd.Process.Signal(unix.SIGINT)
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, stderr())
	}
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Count(text, []byte("\n"))
	var summary event
	if err := json.Unmarshal(text[bytes.LastIndexByte(text[:len(text)-1], '\n')+1:], &summary); err != nil {
		t.Fatal(err)
	}
	a := summary.Probes[0]
	lost := a.Missed + a.Recursion + a.Lost
	if a.Hits != uint64(n) || a.Delivered+lost != a.Hits || uint64(lines-1) != a.Delivered {
		t.Errorf("%d calls, %d lines: %+v", n, lines-1, a)
	}
	if a.Delivered < uint64(n)*99/100 {
		t.Errorf("%d of %d delivered, want at least 99 %%", a.Delivered, n)
	}
}

func TestAKilledTraceLeavesNothing(t *testing.T) {
	before := armed(t)
	times := 10
	if os.Getenv("KTRAP_DEEP") != "" {
		times = 200
	}
	for i := range times {
		cmd := exec.Command("ktrap", "trace", "vfs_read", "vfs_read%return", "unix_stream_connect", "vfs_write", "vfs_open", "-o", "/dev/null")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(i%20) * 15 * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
	}
	var diff string
	for range 50 {
		if diff = cmp.Diff(before, armed(t)); diff == "" {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("-before +after:\n%s", diff)
}

func TestStacksAddUpToTheHits(t *testing.T) {
	const calls = 200
	dir := t.TempDir()
	profile, page := filepath.Join(dir, "stacks.pb.gz"), filepath.Join(dir, "stacks.html")
	cmd := exec.CommandContext(t.Context(), "ktrap", "stack", "__x64_sys_umask", "--pid", fmt.Sprint(os.Getpid()),
		"--user-stack", "--folded", "--pprof", profile, "--html", page)
	var out bytes.Buffer
	cmd.Stdout = &out
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.Contains(lines.Text(), "attached in") {
	}
	for range calls {
		unix.Umask(0o22)
	}
	cmd.Process.Signal(os.Interrupt)
	for lines.Scan() {
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	sum := 0
	for line := range strings.Lines(out.String()) {
		at := strings.LastIndexByte(line, ' ')
		n, err := strconv.Atoi(strings.TrimSpace(line[at+1:]))
		if err != nil || !strings.Contains(line, "umask") {
			t.Errorf("%q: no stack of umask and its count", line)
		}
		sum += n
	}
	if sum != calls {
		t.Errorf("%d calls in the stacks, want %d:\n%s", sum, calls, out.String())
	}
	for file, want := range map[string]string{profile: "\x1f\x8b", page: "<!doctype html>"} {
		if text, err := os.ReadFile(file); err != nil || !bytes.HasPrefix(text, []byte(want)) {
			t.Errorf("%s: %v, begins %.20q", file, err, text)
		}
	}
}
