//go:build live

package main

import (
	"context"
	_ "embed"
	"fmt"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"

	"ktrap"
)

//go:embed kprobe.go
var file []byte

// printed runs the file while do runs, and returns each line with its kind.
func printed(t *testing.T, f ktrap.HandlerFile, do func(*ktrap.Script)) (lines []string) {
	t.Helper()
	s, err := ktrap.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f.Name, f.Text = "kprobe.go", file
	script, err := s.Script(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := script.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		do(script)
	}()
	for ev, err := range s.Events(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		text, _ := ev.Printed()
		lines = append(lines, string(ev.Kind)+" "+text)
	}
	return lines
}

// expect matches the first lines with patterns.
func expect(t *testing.T, lines []string, patterns ...string) {
	t.Helper()
	if len(lines) < len(patterns) {
		t.Fatalf("%d lines, want %d: %q", len(lines), len(patterns), lines)
	}
	for i, p := range patterns {
		if !regexp.MustCompile("^" + p + "$").MatchString(lines[i]) {
			t.Errorf("line %d is %q, want %s", i, lines[i], p)
		}
	}
}

// connect connects to a socket of which there is none.
func connect() {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return
	}
	defer unix.Close(fd)
	unix.Connect(fd, &unix.SockaddrUnix{Name: "/no/such"})
}

const at = `cpu \d+ kp unix_stream_connect`

func TestTheTemplatesFilePrintsWhatTheModuleDoes(t *testing.T) {
	ip := `unix_stream_connect\+0x[1-9]/0x[0-9a-f]+`
	expect(t, printed(t, ktrap.HandlerFile{}, func(*ktrap.Script) { connect() }),
		`pre pre_handler: `+at+` regs->ip = `+ip+`, flags = 0x\w+`,
		`post post_handler: `+at+` regs->ip = `+ip+`, flags = 0x\w+`,
		`return ret_handler: `+at+`%return returned -2`,
	)
	for bad, nr := range map[string]string{"8": "14", "18446744071562067968": "14", "12297829382473034411": "13"} {
		lines := printed(t, ktrap.HandlerFile{Set: map[string]string{"peek": bad}}, func(*ktrap.Script) { connect() })
		expect(t, lines,
			`pre pre_handler: `+at+` regs->ip = `+ip+`, flags = 0x\w+`,
			`fault fault_handler: `+at+` regs->ip = `+ip+`, trap #`+nr+` at 0x\w+`,
			`pre pre_handler: 0x\w+ holds 0x0`,
			`post post_handler: `+at+` .*`,
			`return ret_handler: `+at+`%return returned -2`,
		)
	}
}

// inside is a place in the middle of a function, whose instruction's outcome is seen.
func inside(t *testing.T, function string) string {
	t.Helper()
	k, err := ktrap.KernelConfig{}.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	d, err := k.Disassemble(function+"@insn(^push)", ktrap.Disassembler{})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%s+%#x", function, d.Lines[1].Offset)
}

func TestTheTemplateMayStandInsideAFunction(t *testing.T) {
	place := inside(t, "unix_stream_connect")
	at := `cpu \d+ kp ` + regexp.QuoteMeta(place) + ` regs->ip = unix_stream_connect\+0x\w+/0x\w+, flags = 0x\w+`
	expect(t, printed(t, ktrap.HandlerFile{Place: place}, func(*ktrap.Script) { connect() }),
		`pre pre_handler: `+at,
		`post post_handler: `+at,
		`return ret_handler: cpu \d+ kp unix_stream_connect%return returned -2`,
	)
}

func TestTheTemplatesSymbolIsAParameter(t *testing.T) {
	expect(t, printed(t, ktrap.HandlerFile{Place: "__x64_sys_umask"}, func(x *ktrap.Script) {
		unix.Umask(0o22)
		if err := x.Move(t.Context(), "unix_stream_connect"); err != nil {
			t.Error(err)
		}
		connect()
	}),
		`pre pre_handler: cpu \d+ kp __x64_sys_umask regs->ip = __x64_sys_umask\+0x\w+/0x\w+, flags = 0x\w+`,
		`post post_handler: cpu \d+ kp __x64_sys_umask .*`,
		`return ret_handler: cpu \d+ kp __x64_sys_umask%return returned \d+`,
		`pre pre_handler: `+at+` .*`,
		`post post_handler: `+at+` .*`,
		`return ret_handler: `+at+`%return returned -2`,
	)
}
