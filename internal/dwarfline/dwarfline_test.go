package dwarfline

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// forms are the ways in which compilers write DWARF that we read.
var forms = map[string][]string{
	"DWARF 4":                   {"-gdwarf-4"},
	"DWARF 5":                   {"-gdwarf-5"},
	"DWARF 5, compressed":       {"-gdwarf-5", "-gz=zlib"},
	"DWARF 4, with relocations": {"-gdwarf-4", "-Wl,--emit-relocs"},
}

func TestEveryLineAndInlineChainIsAsAddr2lineSays(t *testing.T) {
	for name, flags := range forms {
		t.Run(name, func(t *testing.T) {
			path := compile(t, flags...)
			compareWithAddr2line(t, path, everyFunctionByte(t, path))
		})
	}
}

func TestAnAddressThatIsInNoArangeIsFoundByItsUnit(t *testing.T) {
	path := compile(t, "-g")
	run(t, "objcopy", "--remove-section=.debug_aranges", path)
	compareWithAddr2line(t, path, everyFunctionByte(t, path))
}

// compile links the sources of testdata at addresses as a kernel has them.
func compile(t *testing.T, flags ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "vmlinux")
	args := append([]string{"-O2", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
		"-Wl,-Ttext=0xffffffff81000000,-e,area,--build-id=0x0123456789abcdef", "-o", path, "testdata/area.c", "testdata/scale.c"}, flags...)
	run(t, "gcc", args...)
	return path
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("needs %s: to compile what is read", program)
	}
	out, err := exec.Command(program, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", program, args, err, out)
	}
	return string(out)
}

func everyFunctionByte(t *testing.T, path string) (addrs []uint64) {
	t.Helper()
	e, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	symbols, err := e.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		for i := uint64(0); elf.ST_TYPE(s.Info) == elf.STT_FUNC && i < s.Size; i++ {
			addrs = append(addrs, s.Value+i)
		}
	}
	return addrs
}

func parseFile(t testing.TB, path string) *File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func compareWithAddr2line(t *testing.T, path string, addrs []uint64) {
	t.Helper()
	f := parseFile(t, path)
	want := addr2line(t, path, addrs)
	if len(addrs) == 0 || len(want) != len(addrs) {
		t.Fatalf("%d addresses, %d answers of addr2line", len(addrs), len(want))
	}
	for i, addr := range addrs {
		frames, err := f.At(addr)
		if err != nil {
			t.Fatalf("%#x: %v", addr, err)
		}
		if diff := cmp.Diff(want[i], words(frames)); diff != "" {
			t.Fatalf("%#x: -addr2line +got:\n%s", addr, diff)
		}
	}
}

// words are frames as "function file:line", without the folders.
func words(frames []Frame) (all []string) {
	for _, f := range frames {
		all = append(all, fmt.Sprintf("%s %s:%d", f.Func, filepath.Base(f.File), f.Line))
	}
	return all
}

// addr2line answers for each address with lines: 0xADDRESS, then FUNCTION and
// FILE:LINE (discriminator N) by turns.
func addr2line(t *testing.T, path string, addrs []uint64) (answers [][]string) {
	t.Helper()
	var input strings.Builder
	for _, a := range addrs {
		fmt.Fprintf(&input, "%#x\n", a)
	}
	cmd := exec.Command("addr2line", "-a", "-f", "-i", "-e", path)
	cmd.Stdin = strings.NewReader(input.String())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("addr2line: %v", err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i := 0; i < len(lines); i++ {
		if strings.HasPrefix(lines[i], "0x") {
			answers = append(answers, nil)
			continue
		}
		place, _, _ := strings.Cut(lines[i+1], " (")
		answers[len(answers)-1] = append(answers[len(answers)-1], lines[i]+" "+filepath.Base(place))
		i++
	}
	return answers
}

// addr2line (binutils 2.40) loses its way in the 64-bit form.
func TestDWARFOf64BitsSaysWhatThatOf32BitsDoes(t *testing.T) {
	narrow, wide := compile(t, "-gdwarf-5"), compile(t, "-gdwarf-5", "-gdwarf64")
	short, long := parseFile(t, narrow), parseFile(t, wide)
	for _, addr := range everyFunctionByte(t, narrow) {
		want, err := short.At(addr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := long.At(addr)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Fatalf("%#x: %v, -32 +64:\n%s", addr, err, diff)
		}
	}
}

func TestTheBuildIDIsTheNotes(t *testing.T) {
	if got := parseFile(t, compile(t, "-g")).BuildID(); got != "0123456789abcdef" {
		t.Errorf("got %q", got)
	}
}

func TestAnAddressWithoutCodeHasNoLine(t *testing.T) {
	frames, err := parseFile(t, compile(t, "-g")).At(0xffffffff80000000)
	if !errors.Is(err, ErrNone) {
		t.Errorf("got %v, %v; want %v", frames, err, ErrNone)
	}
}

func TestEveryCopyOfAnInlinedFunctionIsFound(t *testing.T) {
	f := parseFile(t, compile(t, "-g"))
	var got []string
	for c, err := range f.Inlined(t.Context(), "square") {
		if err != nil {
			t.Fatal(err)
		}
		frames, err := f.At(c.Addr)
		if err != nil || frames[0].Func != "square" {
			t.Errorf("the copy at %#x begins with %v, %v", c.Addr, frames, err)
		}
		got = append(got, fmt.Sprintf("in %s, called by %v", c.Func, words([]Frame{c.Call})))
	}
	want := []string{
		"in half, called by [half area.c:22]",
		"in area, called by [ring area.c:7]",
		"in area, called by [ring area.c:8]",
		"in scale, called by [scale scale.c:6]",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for c := range f.Inlined(t.Context(), "scale") {
		t.Errorf("scale is inlined nowhere, got %v", c)
	}
}

func TestWhatIsNotAKernelsDWARFIsRefusedInWords(t *testing.T) {
	stripped, object, old := compile(t, "-g"), filepath.Join(t.TempDir(), "area.o"), compile(t, "-g")
	run(t, "strip", stripped)
	run(t, "gcc", "-g", "-c", "-o", object, "testdata/area.c")
	run(t, "objcopy", "--compress-debug-sections=zlib-gnu", old)
	for path, want := range map[string]string{
		"dwarfline_test.go": "bad magic number",
		stripped:            "it has no DWARF",
		object:              "an object file, not a linked kernel",
		old:                 "objcopy --decompress-debug-sections",
	} {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Parse(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want … %s …", filepath.Base(path), err, want)
		}
	}
}

func TestALineHeaderThatClaimsMoreThanThereIsIsRefused(t *testing.T) {
	data, err := os.ReadFile(compile(t, "-gdwarf-5"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	// The table of folders: one form each, a path (1) in .debug_line_str (0x1f),
	// then how many.
	head := []byte{1, 1, 0x1f}
	at := bytes.Index(f.sections[".debug_line"], head)
	if at < 0 {
		t.Fatal("the line header has no table of folders")
	}
	f.sections[".debug_line"] = bytes.Clone(f.sections[".debug_line"])
	copy(f.sections[".debug_line"][at+len(head):], []byte{0xff, 0xff, 0xff, 0xff, 0x7f})
	for at := range f.units() {
		if u, err := f.open(at); err == nil {
			if err := u.readRows(f); !errors.Is(err, errCut) {
				t.Errorf("got %v, want %v", err, errCut)
			}
			return
		}
	}
}

func TestPathsAreThoseOfTheKernelsTree(t *testing.T) {
	for _, test := range []struct{ dir, file, want string }{
		{"debian/build/build_amd64_none_cloud-amd64", "net/unix/af_unix.c", "net/unix/af_unix.c"},
		{"debian/build/build_amd64_none_cloud-amd64", "debian/build/build_amd64_none_cloud-amd64/arch/x86/include/generated/asm/syscalls_64.h", "arch/x86/include/generated/asm/syscalls_64.h"},
		{"/build/linux-abc/linux-5.10.9/debian/build/build_amd64", "/build/linux-abc/linux-5.10.9/./include/linux/fs.h", "include/linux/fs.h"},
		{"/home/me/linux", "/home/me/linux/kernel/fork.c", "kernel/fork.c"},
		{"/home/me/linux", "/usr/lib/gcc/include/stdarg.h", "/usr/lib/gcc/include/stdarg.h"},
	} {
		if got := inTree(treeOf(test.dir), test.file); got != test.want {
			t.Errorf("%s built in %s: got %s, want %s", test.file, test.dir, got, test.want)
		}
	}
}

// TestAKernelsLinesAreAsAddr2lineSays takes a kernel's DWARF, which is hundreds
// of megabytes: it runs where KTRAP_VMLINUX is the path of one.
func TestAKernelsLinesAreAsAddr2lineSays(t *testing.T) {
	path := os.Getenv("KTRAP_VMLINUX")
	if path == "" {
		t.Skip("needs a kernel's DWARF: KTRAP_VMLINUX is the path of a vmlinux with it")
	}
	addrs := sample(t, path, 2000)
	want := addr2line(t, path, addrs)
	f := parseFile(t, path)
	judged, same := 0, 0
	for i, addr := range addrs {
		if strings.HasSuffix(want[i][0], ":?") {
			continue
		}
		judged++
		frames, err := f.At(addr)
		if err == nil && agree(want[i], words(frames)) {
			same++
		} else {
			t.Logf("%#x: addr2line %q, got %q (%v)", addr, want[i], words(frames), err)
		}
	}
	t.Logf("%d of %d are the same", same, judged)
	if judged < len(addrs)/2 || same < judged*99/100 {
		t.Errorf("%d of %d addresses have the lines that addr2line tells; want 99 %%", same, judged)
	}
}

// agree compares frames but for what addr2line (binutils 2.40) gets from
// elsewhere: a header's line has the name of the unit where a header includes
// itself, and a function that the compiler merged with another, or that was
// written in assembly, has the name of its symbol; Rust's are mangled.
func agree(want, got []string) bool {
	if len(want) != len(got) {
		return false
	}
	for i := range want {
		wantFunc, _, _ := strings.Cut(want[i], " ")
		gotFunc, _, _ := strings.Cut(got[i], " ")
		wantLine := want[i][strings.LastIndex(want[i], ":"):]
		gotLine := got[i][strings.LastIndex(got[i], ":"):]
		if gotFunc != "" && gotFunc != wantFunc && !strings.HasPrefix(wantFunc, "_R") || wantLine != gotLine {
			return false
		}
	}
	return true
}

// sample takes n addresses, evenly from all functions, in the midst of each.
func sample(t *testing.T, path string, n int) (addrs []uint64) {
	for line := range strings.Lines(run(t, "nm", "-S", path)) {
		if f := strings.Fields(line); len(f) == 4 && strings.ContainsAny(f[2], "tT") && !strings.HasPrefix(f[3], "__") {
			start, _ := strconv.ParseUint(f[0], 16, 64)
			size, _ := strconv.ParseUint(f[1], 16, 64)
			addrs = append(addrs, start+size/3)
		}
	}
	step := max(len(addrs)/n, 1)
	for i := 0; i*step < len(addrs); i++ {
		addrs[i] = addrs[i*step]
	}
	return addrs[:len(addrs)/step]
}

// FuzzParse asks a damaged file everything.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"dwarf4", "dwarf5"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".elf"))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse(data)
		if err != nil {
			return
		}
		for _, addr := range []uint64{0, 0x401000, 0x401008, 1 << 63} {
			if frames, err := file.At(addr); err == nil && len(frames) == 0 {
				t.Errorf("%#x: neither a line nor an error", addr)
			}
		}
		for range file.Inlined(t.Context(), "square") {
		}
	})
}
