package disasm

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/hex"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"ktrap/internal/kallsyms"
	"ktrap/internal/vmlinux"
	"ktrap/lab"
)

// These tests read the kernels that the lab has fetched. They take a seeded
// sample of the functions; with KTRAP_DEEP, all.

// seed chooses the sample: set KTRAP_SEED to look at another one.
func seed(t *testing.T) int64 {
	n, err := strconv.ParseInt(cmp.Or(os.Getenv("KTRAP_SEED"), "1"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A function is one of a kernel's.
type function struct {
	name string
	addr uint64
	code []byte
}

// eachKernel runs a test on every fetched kernel of an instruction set.
func eachKernel(t *testing.T, arch Arch, test func(t *testing.T, all []function)) {
	kernels, err := lab.Cached()
	if err != nil {
		t.Fatal(err)
	}
	kernels = slices.DeleteFunc(kernels, func(k lab.Kernel) bool { return k.Arch != arch.String() })
	if len(kernels) == 0 {
		t.Skipf("needs a kernel of %s: none is fetched (ktrap lab --fetch)", arch)
	}
	for _, k := range kernels {
		t.Run(k.Release, func(t *testing.T) {
			t.Parallel()
			test(t, functions(t, k.Image))
		})
	}
}

// functions are those of an image, by address.
func functions(t *testing.T, path string) []function {
	k := openKernel(t, path)
	layout, err := k.Layout()
	if err != nil {
		t.Fatal(err)
	}
	table, err := kallsyms.Load(k, layout)
	if err != nil {
		t.Fatal(err)
	}
	inText := textOf(k, table)
	var all []function
	for s := range table.InOrder() {
		if !inText(s.Addr) || !inText(s.Addr+s.Size-1) || s.Size == 0 || !strings.ContainsAny(string(s.Type), "tTwW") {
			continue
		}
		code, err := k.Bytes(s.Addr, int(s.Size))
		if err != nil {
			t.Fatalf("%s: %v", s.Name, err)
		}
		if n := len(all); n > 0 && all[n-1].addr == s.Addr { // an alias
			continue
		}
		all = append(all, function{s.Name, s.Addr, code})
	}
	if len(all) < 20_000 {
		t.Fatalf("%s has only %d functions", path, len(all))
	}
	return all
}

func openKernel(t *testing.T, path string) *vmlinux.Kernel {
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := vmlinux.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	data, err := file.Vmlinux()
	if err != nil {
		t.Fatal(err)
	}
	k, err := vmlinux.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// textOf tells what lies in .text; an Image of arm64, which has no sections, has
// its ends as symbols.
func textOf(k *vmlinux.Kernel, table *kallsyms.Table) func(addr uint64) bool {
	var start, end uint64
	if text, ok := k.Section(".text"); ok {
		start, end = text.Addr, text.Addr+text.Size
	} else {
		for s := range table.InOrder() {
			switch s.Name {
			case "_stext":
				start = s.Addr
			case "_etext":
				end = s.Addr
			}
		}
	}
	return func(addr uint64) bool { return start <= addr && addr < end }
}

// sample chooses about n of the functions, unless the test is to be deep.
func sample(t *testing.T, all []function, n int) []function {
	if os.Getenv("KTRAP_DEEP") != "" {
		return all
	}
	r := rand.New(rand.NewSource(seed(t)))
	var some []function
	for _, f := range all {
		if r.Intn(len(all)) < n {
			some = append(some, f)
		}
	}
	return some
}

func TestEveryInstructionOfAFunctionIsInOneBlockAndEveryEdgeLeadsToABlock(t *testing.T) {
	for _, arch := range []Arch{AMD64, ARM64} {
		t.Run(arch.String(), func(t *testing.T) {
			eachKernel(t, arch, func(t *testing.T, all []function) {
				for _, f := range sample(t, all, 2000) {
					checkGraph(t, &Code{Insts: slices.Collect(arch.Walk(f.addr, f.code))})
					if t.Failed() {
						t.Fatalf("in the graph of %s at %#x", f.name, f.addr)
					}
				}
			})
		})
	}
}

func TestBoundariesAndTextAreObjdumps(t *testing.T) {
	if _, err := exec.LookPath("objdump"); err != nil {
		t.Skip("needs objdump: apt-get install binutils")
	}
	eachKernel(t, AMD64, func(t *testing.T, all []function) {
		some := sample(t, all, 1000)
		for _, syntax := range []Syntax{ATT, Intel} {
			compare(t, some, syntax)
		}
	})
}

// A listing is what objdump says of bytes.
type listing struct {
	addr uint64
	code []byte
	text string // with single spaces, without comment
}

// compare holds functions against objdump's listing of them.
func compare(t *testing.T, some []function, syntax Syntax) {
	// One file with all of them: what stands between them ends any instruction.
	var all []byte
	for _, f := range some {
		all = append(append(all, f.code...), bytes.Repeat([]byte{0x90}, MaxLength+1)...)
	}
	total, resume := 0, uint64(0)
	for line := range dump(t, all, syntax) {
		if line.addr < resume {
			continue // behind a fault of objdump's
		}
		n, _ := Length(all[line.addr:])
		in := Inst{Addr: line.addr, Bytes: all[line.addr:][:n]}
		total++
		if why := differ(line, in, syntax); why != "" && !isObjdumpsFault(line, in) {
			t.Errorf("% x: %s: %s", line.code, line.text, why)
		}
		resume = max(in.End(), line.addr+1)
	}
	if total < len(all)/20 {
		t.Errorf("objdump lists only %d instructions in %d bytes", total, len(all))
	}
	t.Logf("%d instructions compared, seed %d", total, seed(t))
}

// differ says in what we differ from objdump, "" if in nothing.
func differ(line listing, in Inst, syntax Syntax) string {
	if !bytes.Equal(line.code, in.Bytes) {
		return fmt.Sprintf("our instruction is % x", in.Bytes)
	}
	text := in.Text(Context{Syntax: syntax})
	if got := strings.TrimSuffix(text.Op+" "+text.Args, " "); got != line.text {
		return fmt.Sprintf("our text is %s", got)
	}
	return ""
}

// isObjdumpsFault knows where objdump is wrong, or younger ones are right.
func isObjdumpsFault(line listing, in Inst) bool {
	switch {
	case len(in.Bytes) == 0: // nobody can read it
		return strings.Contains(line.text, "(bad)")
	case in.IsEmulated(): // for the hypervisor, which only the kernel's decoder knows
		return line.text == "ud2"
	case line.text == "finit": // fwait and fninit, which the processor takes for two
		return in.Bytes[0] == 0x9b
	}
	op := in.Opcode()
	switch {
	case op[0] == 0xd6: // udb has a name since 2.44
		return true
	case string(in.Bytes[:min(3, len(in.Bytes))]) == "\xf2\x0f\x00": // lkgs, known since 2.42: the older ones stop behind f2
		return true
	case string(op) == "\x0f\x01\xca" && len(in.Bytes) == 4: // erets, eretu
		return true
	}
	// Since 2.41, a shift by one has its count.
	return op[0]&^1 == 0xd0 && strings.ReplaceAll(line.text, "$1,", "") == in.String()
}

// dump has objdump list bytes as if they lay at address 0.
func dump(t *testing.T, code []byte, syntax Syntax) func(yield func(listing) bool) {
	file := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(file, code, 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{"-D", "-w", "-b", "binary", "-m", "i386:x86-64"}
	if syntax == Intel {
		args = append(args, "-M", "intel")
	}
	cmd := exec.Command("objdump", append(args, file)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	return func(yield func(listing) bool) {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if line, ok := parse(t, lines.Text()); ok && !yield(line) {
				break
			}
		}
		if err := cmp.Or(lines.Err(), cmd.Wait()); err != nil {
			t.Errorf("objdump: %v", err)
		}
	}
}

// parse reads "  1f:	48 89 e5             	mov    %rsp,%rbp        # comment".
func parse(t *testing.T, line string) (listing, bool) {
	columns := strings.Split(line, "\t")
	if len(columns) != 3 {
		return listing{}, false
	}
	addr, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(columns[0]), ":"), 16, 64)
	if err != nil {
		t.Fatalf("objdump writes %q: %v", line, err)
	}
	code, err := hex.DecodeString(strings.ReplaceAll(columns[1], " ", ""))
	if err != nil {
		t.Fatalf("objdump writes %q: %v", line, err)
	}
	text, _, _ := strings.Cut(columns[2], "#")
	return listing{addr, code, strings.Join(strings.Fields(text), " ")}, true
}
