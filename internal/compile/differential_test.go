package compile_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"

	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

var (
	seed  = flag.Uint64("seed", 1, "of the random files")
	first = flag.Uint64("first", 0, "random file to begin with")
	files = flag.Uint64("files", 0, "random files to compare; 0 for what the test takes, more with KTRAP_DEEP=1")
)

const (
	batch = 250 // files in one Go program
	runs  = 4   // of each file, on different variables
)

// The whole compiler against Go's: random handler files leave in their variables
// and maps what the same files leave as Go programs, in interp and in the kernel
// of this machine.
func TestRandomHandlersDoWhatTheyDoInGo(t *testing.T) {
	count := howMany(2000, 20_000)
	kernelToo := canRun(t)
	tally := map[string]int{}
	for at := *first; at < *first+count; at += batch {
		for _, p := range goRuns(t, at, min(at+batch, *first+count)) {
			tally[p.compare(t, kernelToo)]++
			if t.Failed() {
				return
			}
		}
	}
	t.Logf("files: %v", tally)
	if same := tally["same"]; same < int(count)*95/100 {
		t.Errorf("only %d of %d files were compared: %v", same, count, tally)
	}
}

// howMany random files a test takes. Nothing runs at once here, so the race
// detector is given a few only.
func howMany(usual, deep uint64) uint64 {
	switch {
	case *files != 0:
		return *files
	case underRace:
		return usual / 20
	case os.Getenv("KTRAP_DEEP") != "":
		return deep
	}
	return usual
}

// canRun says whether this machine's kernel runs programs for tests (5.10: 1b4d60ec162f).
// On 5.10 maps count as locked memory, which is scarce.
func canRun(t *testing.T) bool {
	forever := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &forever); err != nil {
		t.Logf("the limit on locked memory stays: %v", err)
	}
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}})
	if err == nil {
		defer p.Close()
		_, err = p.Run(&ebpf.RunOptions{Context: make([]byte, 8)})
	}
	if err != nil {
		t.Logf("this machine's kernel runs no BPF programs for us, so only interp does: %v", err)
	}
	return err == nil
}

// A goRun is what a file did as a Go program, several times.
type goRun struct {
	file
	number  uint64
	results []result
}

type result struct {
	Program uint64
	In, Out []string
	Maps    [][]string
}

// goRuns writes the files from..to, and runs them as one Go program.
func goRuns(t *testing.T, from, to uint64) []*goRun {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "go.mod", "module native\n\ngo 1.26\n")
	main, err := os.ReadFile("testdata/native/main.go")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "main.go", string(main))
	var list []*goRun
	for n := from; n < to; n++ {
		f := randomFile(*seed, n)
		list = append(list, &goRun{file: f, number: n})
		write(t, dir, fmt.Sprintf("p%d.go", n), strings.Replace(asGo.Replace(f.text), "package trap", "package main", 1)+f.entry(n))
	}
	build := exec.Command("go", "build", "-gcflags=-N -l", "-o", "native", ".")
	build.Dir, build.Env = dir, append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("the generator wrote what is no Go (-seed %d): %v\n%s", *seed, err, out[:min(len(out), 2000)])
	}
	out, err := exec.Command(filepath.Join(dir, "native"), strconv.FormatUint(*seed, 10), strconv.Itoa(runs)).Output()
	if err != nil {
		t.Fatalf("run as Go: %v", err)
	}
	for in := json.NewDecoder(bytes.NewReader(out)); in.More(); {
		var r result
		if err := in.Decode(&r); err != nil {
			t.Fatal(err)
		}
		p := list[r.Program-from]
		p.results = append(p.results, r)
	}
	return list
}

// entry adds the file to the Go program's list.
func (f file) entry(n uint64) string {
	pointers := func(names []string) string {
		if len(names) == 0 {
			return "nil"
		}
		return "[]any{&" + strings.Join(names, ", &") + "}"
	}
	return fmt.Sprintf("\nfunc init() {\n\tlist = append(list, program{%d, %s, %s, %s})\n}\n", n, pointers(f.vars), pointers(f.maps), f.handler)
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// compare compiles the file and runs it; it says in a word what came of it.
func (p *goRun) compare(t *testing.T, kernelToo bool) string {
	t.Helper()
	text := []byte(asHandler.Replace(p.text))
	fail := func(what any, more any) string {
		t.Errorf("%s\n%v\n%s\n%v", p.rerun(), what, text, more)
		return "different"
	}
	defer func() {
		if r := recover(); r != nil {
			fail(r, string(debug.Stack()))
		}
	}()
	u, errs := compile.Check(compile.Source{Name: "random.go", Text: text}, compile.Env{})
	if errs != nil {
		return fail(errs.Render(func(string) []byte { return text }), "")
	}
	o, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true})
	if err != nil {
		return "refused: " + limit(err)
	}
	if err := p.runInInterp(u, o); err != nil {
		return fail(err, o.Insns)
	}
	if !kernelToo {
		return "same"
	}
	switch err := p.runInKernel(u, o); {
	case errors.Is(err, errComplex):
		return "too complex for the verifier"
	case err != nil:
		return fail(err, o.Insns)
	}
	return "same"
}

// limit is the code of a limit that a file met.
func limit(err error) string {
	s := err.Error()
	return s[strings.LastIndexByte(s, '[')+1 : len(s)-1]
}

func (p *goRun) rerun() string {
	return fmt.Sprintf("go test ./internal/compile -run RandomHandlers -seed %d -first %d -files 1", *seed, p.number)
}

// differs is nil if got is what Go made of the file's variables.
func (r result) differs(where string, got result) error {
	if slices.Equal(got.Out, r.Out) && slices.EqualFunc(got.Maps, r.Maps, slices.Equal) {
		return nil
	}
	return fmt.Errorf("%s, of %v:\ngot  %v %v\nwant %v %v", where, r.In, got.Out, got.Maps, r.Out, r.Maps)
}

func (p *goRun) runInInterp(u *compile.Unit, o *object.Handler) error {
	for _, r := range p.results {
		got, err := inInterp(u, o, r)
		if err == nil {
			err = r.differs("interp", got)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func interpMaps(u *compile.Unit) map[string]*interp.Map {
	kinds := map[object.MapKind]interp.MapKind{
		object.ArrayMap: interp.Array, object.HashMap: interp.Hash, object.PerCPUArray: interp.PerCPUArray, object.StackMap: interp.StackTrace, object.PerCPUHash: interp.PerCPUHash,
	}
	maps := map[string]*interp.Map{}
	for _, m := range u.Maps {
		maps[m.Name] = &interp.Map{Kind: kinds[m.Kind], KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: m.Entries}
	}
	return maps
}

func inInterp(u *compile.Unit, o *object.Handler, r result) (result, error) {
	maps := interpMaps(u)
	vars := fillVars(u.Maps[0], r.In)
	if err := maps[object.Vars].Update(make([]byte, 4), vars, 0); err != nil {
		return result{}, err
	}
	p, err := interp.Load(o.Insns, maps)
	if err != nil {
		return result{}, err
	}
	if _, err := p.Run(interp.Env{Context: interp.Regs(make([]byte, 168))}); err != nil {
		return result{}, err
	}
	got := result{Out: flatten(u.Maps[0].Fields, maps[object.Vars].Lookup(make([]byte, 4), 0))}
	for _, m := range u.Maps[1:] {
		var all entries
		for k, v := range maps[m.Name].All(0) {
			all.add(m, k, v)
		}
		got.Maps = append(got.Maps, all.sorted())
	}
	return got, nil
}

var errComplex = errors.New("too many ways through the program")

// runInKernel loads the handler once and runs it on each input.
func (p *goRun) runInKernel(u *compile.Unit, o *object.Handler) error {
	maps, err := kernelMaps(u)
	defer func() {
		for _, m := range maps {
			m.Close()
		}
	}()
	if err != nil {
		return err
	}
	insns := slices.Clone(o.Insns)
	for name, m := range maps {
		if err := insns.AssociateMap(name, m); err != nil && !errors.Is(err, asm.ErrUnreferencedSymbol) {
			return err
		}
	}
	prog, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.RawTracepoint, License: "GPL", Instructions: insns})
	if err != nil {
		return refusal(err)
	}
	defer prog.Close()
	for _, r := range p.results {
		got, err := inKernel(u, maps, prog, r)
		if err == nil {
			err = r.differs("the kernel", got)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func refusal(err error) error {
	var refused *ebpf.VerifierError
	if !errors.As(err, &refused) {
		if errors.Is(err, unix.EFAULT) { // on 6.1 the log of a long way does not fit the library's buffer
			return errComplex
		}
		return err
	}
	if log := strings.Join(refused.Log, "\n"); strings.Contains(log, "BPF program is too large. Processed") || strings.Contains(log, "sequence of") {
		return errComplex
	}
	return fmt.Errorf("%w\n%s", err, strings.Join(refused.Log[max(0, len(refused.Log)-30):], "\n"))
}

func kernelMaps(u *compile.Unit) (map[string]*ebpf.Map, error) {
	maps := map[string]*ebpf.Map{}
	for _, m := range u.Maps {
		spec := &ebpf.MapSpec{Type: ebpf.Hash, KeySize: uint32(m.KeySize), ValueSize: uint32(m.ValueSize), MaxEntries: uint32(m.Entries), Flags: 1 /* BPF_F_NO_PREALLOC */}
		if m.Kind == object.ArrayMap {
			spec.Type, spec.Flags = ebpf.Array, 0
		}
		var err error
		if maps[m.Name], err = ebpf.NewMap(spec); err != nil {
			return maps, err
		}
	}
	return maps, nil
}

func inKernel(u *compile.Unit, maps map[string]*ebpf.Map, prog *ebpf.Program, r result) (got result, err error) {
	if err := maps[object.Vars].Put(uint32(0), fillVars(u.Maps[0], r.In)); err != nil {
		return got, err
	}
	if _, err := prog.Run(&ebpf.RunOptions{Context: make([]byte, 64)}); err != nil {
		return got, err
	}
	vars, err := maps[object.Vars].LookupBytes(uint32(0))
	if err != nil {
		return got, err
	}
	got.Out = flatten(u.Maps[0].Fields, vars)
	for _, m := range u.Maps[1:] {
		all, err := drain(m, maps[m.Name])
		if err != nil {
			return got, err
		}
		got.Maps = append(got.Maps, all.sorted())
	}
	return got, nil
}

// drain reads a map and empties it for the next run.
func drain(m object.Map, kernel *ebpf.Map) (all entries, err error) {
	key := make([]byte, m.KeySize)
	for {
		if err := kernel.NextKey(nil, &key); errors.Is(err, ebpf.ErrKeyNotExist) {
			return all, nil
		} else if err != nil {
			return all, err
		}
		value, err := kernel.LookupBytes(key)
		if err != nil {
			return all, err
		}
		all.add(m, key, value)
		if err := kernel.Delete(key); err != nil {
			return all, err
		}
	}
}

// entries are a map's, as text.
type entries []string

func (e *entries) add(m object.Map, key, value []byte) {
	*e = append(*e, fmt.Sprint(flatten([]object.Field{m.Key}, key), flatten([]object.Field{m.Value}, value)))
}

func (e entries) sorted() []string {
	slices.Sort(e)
	return append([]string{}, e...)
}

// flatten is the values of fields, in order.
func flatten(fields []object.Field, data []byte) (all []string) {
	walk(fields, 0, func(f object.Field, at int) {
		all = append(all, show(f, data[at:at+f.Size]))
	})
	return all
}

// walk visits each field that is no array or struct.
func walk(fields []object.Field, base int, visit func(f object.Field, at int)) {
	for _, f := range fields {
		switch f.Kind {
		case object.Struct:
			walk(f.Fields, base+f.Offset, visit)
		case object.Array:
			for at := 0; at < f.Size; at += f.Fields[0].Size {
				walk(f.Fields, base+f.Offset+at, visit)
			}
		default:
			visit(f, base+f.Offset)
		}
	}
}

func show(f object.Field, b []byte) string {
	if f.Kind == object.String {
		s, _, _ := bytes.Cut(b, []byte{0})
		return strconv.Quote(string(s))
	}
	var word [8]byte
	copy(word[:], b)
	bits := binary.LittleEndian.Uint64(word[:])
	if f.Kind == object.Int {
		shift := 64 - 8*f.Size
		return strconv.FormatInt(int64(bits)<<shift>>shift, 10)
	}
	return strconv.FormatUint(bits, 10)
}

// fillVars is the bytes of the variables whose values are in.
func fillVars(m object.Map, in []string) []byte {
	data, n := make([]byte, m.ValueSize), 0
	walk(m.Fields, 0, func(f object.Field, at int) {
		s := in[n]
		n++
		if f.Kind == object.String {
			text, err := strconv.Unquote(s)
			if err != nil {
				panic(err)
			}
			copy(data[at:at+f.Size-1], text)
			return
		}
		bits, err := strconv.ParseUint(s, 10, 64)
		if signed, err2 := strconv.ParseInt(s, 10, 64); err != nil && err2 == nil {
			bits = uint64(signed)
		}
		copy(data[at:at+f.Size], binary.LittleEndian.AppendUint64(nil, bits))
	})
	return data
}

// A test of the test: each fault is planted into 250 files wherever it fits, as by
// a compiler that has it. Most comparisons are far from equal, so a fault in these
// shows in few files; the test above has eight times as many.
func TestPlantedFaultsShow(t *testing.T) {
	if underRace {
		t.Skip("needs no race detector: nothing runs at once here")
	}
	list := goRuns(t, 0, batch)
	for _, fault := range []struct {
		name  string
		plant func(in *asm.Instruction) bool
	}{
		{"shifts to the right forget the sign", replaceOp(asm.ArSh, asm.RSh)},
		{"additions subtract", replaceOp(asm.Add, asm.Sub)},
		{"remainders are quotients", replaceOp(asm.Mod, asm.Div)},
		{"what is less may be equal", replaceJump(asm.JLT, asm.JLE)},
		{"what is greater or equal must be greater", replaceJump(asm.JGE, asm.JGT)},
		{"comparisons lose the upper half", func(in *asm.Instruction) bool {
			if in.OpCode.Class() != asm.JumpClass || in.OpCode.JumpOp() == asm.Exit || in.OpCode.JumpOp() == asm.Call || in.OpCode.JumpOp() == asm.Ja {
				return false
			}
			in.OpCode++ // Jump32Class
			return true
		}},
		{"stores forget a byte", func(in *asm.Instruction) bool {
			if in.OpCode != asm.StoreMemOp(asm.Half) || in.Dst == asm.RFP {
				return false
			}
			in.OpCode = asm.StoreMemOp(asm.Byte)
			return true
		}},
	} {
		planted, shown := 0, 0
		for _, p := range list {
			u, o := p.compile(t)
			if o == nil || !plant(o, fault.plant) {
				continue
			}
			planted++
			if p.runInInterp(u, o) != nil {
				shown++
			}
		}
		t.Logf("%s: planted in %d files, shown by %d", fault.name, planted, shown)
		if shown < 3 {
			t.Errorf("%s: planted in %d files, shown by %d", fault.name, planted, shown)
		}
	}
}

func (p *goRun) compile(t *testing.T) (*compile.Unit, *object.Handler) {
	t.Helper()
	u, errs := compile.Check(compile.Source{Name: "random.go", Text: []byte(asHandler.Replace(p.text))}, compile.Env{})
	if errs != nil {
		t.Fatalf("%s\n%v", p.rerun(), errs)
	}
	o, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true})
	if err != nil {
		return u, nil
	}
	return u, o
}

// plant changes all instructions that the fault fits, and says whether there were any.
func plant(o *object.Handler, fault func(in *asm.Instruction) bool) (any bool) {
	for i := range o.Insns {
		any = fault(&o.Insns[i]) || any
	}
	return any
}

func replaceOp(old, with asm.ALUOp) func(in *asm.Instruction) bool {
	return func(in *asm.Instruction) bool {
		if in.OpCode.ALUOp() != old || in.Dst == asm.RFP {
			return false
		}
		in.OpCode = in.OpCode.SetALUOp(with)
		return true
	}
}

func replaceJump(old, with asm.JumpOp) func(in *asm.Instruction) bool {
	return func(in *asm.Instruction) bool {
		if in.OpCode.JumpOp() != old {
			return false
		}
		in.OpCode = in.OpCode.SetJumpOp(with)
		return true
	}
}
