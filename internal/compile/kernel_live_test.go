//go:build live

package compile

import (
	"bytes"
	"fmt"
	"go/token"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
)

// TestEveryKernelAcceptsRandomHandlers writes handlers that walk through the kernel's
// own structs, from parameters of its functions on. What the compiler accepts, the
// verifier must.
//
// KTRAP_SEED repeats a run.
func TestEveryKernelAcceptsRandomHandlers(t *testing.T) {
	count, seed := 12, uint64(1)
	if os.Getenv("KTRAP_DEEP") != "" {
		count, seed = 1000, uint64(time.Now().UnixNano())
	}
	if text := os.Getenv("KTRAP_SEED"); text != "" {
		fmt.Sscan(text, &seed)
	}
	t.Logf("KTRAP_SEED=%d", seed)
	spec := parseBTF(t, kernelBTF)
	functions := probedFunctions(t, spec)
	loaded, refused := 0, map[string]int{}
	for n := range count {
		w := walker{Rand: rand.New(rand.NewPCG(seed, uint64(n))), spec: spec}
		src := Source{Name: "walk.go", Text: []byte(w.file(functions))}
		u, errs := Check(src, Env{Arch: arch.AMD64, BTF: spec})
		if errs != nil {
			if refused[string(errs[0].Code)]++; refused[string(errs[0].Code)] < 3 {
				t.Log(errs[:1].Render(func(string) []byte { return src.Text }))
			}
			continue
		}
		loaded++
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			maps := open(t, u)
			for _, h := range u.Handlers {
				for name, target := range targets(h, spec) {
					p, err := tryLoad(h, target, maps)
					if err != nil && notAttachable.MatchString(err.Error()) {
						continue
					}
					if err != nil {
						t.Errorf("%s: %v\n%s", name, err, src.Text)
						continue
					}
					p.Close()
				}
			}
		})
	}
	t.Logf("%d of %d were compiled and loaded; refused: %v", loaded, count, refused)
	if loaded*10 < count*7 {
		t.Errorf("%d of %d were compiled", loaded, count)
	}
}

// notAttachable is what is said of functions that no trampoline can be made for: the
// plan takes another mechanism.
var notAttachable = regexp.MustCompile(`with variable args is unsupported|type (STRUCT|UNION) is unsupported|multiple matching types|not supported$`)

// probedFunctions are the functions of BTF that programs can be attached to, and that
// are given a struct.
func probedFunctions(t *testing.T, spec *btf.Spec) (ids []btf.ID) {
	t.Helper()
	data, err := os.ReadFile("/sys/kernel/tracing/available_filter_functions")
	if err != nil {
		data, err = os.ReadFile("/sys/kernel/debug/tracing/available_filter_functions")
	}
	if err != nil {
		t.Fatal(err)
	}
	traceable := map[string]bool{}
	for line := range bytes.Lines(data) {
		if name, module, _ := strings.Cut(strings.TrimSpace(string(line)), " "); module == "" {
			traceable[name] = true
		}
	}
	byName := map[string][]btf.ID{}
	for id := spec.First(); ; id++ {
		f, err := spec.Type(id)
		if err != nil {
			break
		}
		if f.Kind == btf.Func && traceable[f.Name] {
			byName[f.Name] = append(byName[f.Name], id)
		}
	}
	for _, same := range byName {
		if len(same) == 1 {
			ids = append(ids, same[0])
		}
	}
	slices.Sort(ids)
	return ids
}

// walker writes a handler file.
type walker struct {
	*rand.Rand
	spec  *btf.Spec
	lines []string
	roots []root // variables that are pointers to structs
	names int
}

type root struct {
	name string
	to   btf.ID
}

func (w *walker) file(functions []btf.ID) string {
	for {
		id := functions[w.IntN(len(functions))]
		f, _ := w.spec.Type(id)
		proto, err := w.spec.Proto(id)
		if err != nil {
			continue
		}
		params := w.params(proto)
		if len(w.roots) == 0 {
			continue
		}
		kind, before := "pre", ""
		if w.IntN(3) == 0 {
			kind = "ret"
			before, params = w.atReturn(f.Name, proto, params)
		}
		for range 2 + w.IntN(8) {
			w.statement(1)
		}
		return fmt.Sprintf("%s%s\n//ktrap:%s %s\nfunc walk(%s) {\n%s\n}\n", walked, before, kind, f.Name, strings.Join(params, ", "), strings.Join(w.lines, "\n"))
	}
}

// walked is what each file declares.
const walked = `package trap

type who struct {
	id   uint64
	name string
	on   bool
}

var (
	sum    uint64
	cells  [8]uint64
	counts map[uint64]uint64
	names  map[string]uint64
	seen   map[who]uint64
	sizes  hist
	per    map[uint32]stat
)
`

// atReturn adds to the parameters of a ret handler: sometimes what a handler at the
// entry returns, which is written as well, and what the function returns.
func (w *walker) atReturn(name string, proto btf.Proto, params []string) (before string, all []string) {
	if w.IntN(2) == 0 {
		before = fmt.Sprintf("\n//ktrap:pre %s\nfunc before(%s) (who, bool) {\n\treturn who{uint64(%s), comm(), uint64(%s) == 0}, uint64(%s) >= 1\n}\n",
			name, strings.Join(params, ", "), w.number64(), w.number64(), w.number64())
		w.line(1, "seen[was]++")
		params = append(params, "was who")
	}
	if to, result := w.structBehind(proto.Return); result != "" {
		params = append(params, "result *"+result)
		w.roots = append(w.roots, root{"result", to})
	} else {
		w.line(1, "emit(retval(), uint32(retval()) > 7)")
	}
	return before, params
}

// guess makes a pointer to one of the structs that are known of something that need
// not be one; sometimes to the process's memory.
func (w *walker) guess(depth int, of string) {
	to := w.roots[w.IntN(len(w.roots))].to
	t, err := w.spec.Type(to)
	if err != nil {
		return
	}
	w.names++
	name := fmt.Sprint("v", w.names)
	w.line(depth, "%s := cast[%s](%s)", name, t.Name, of)
	if w.IntN(3) == 0 {
		name = "user(" + name + ")"
	}
	l := w.walk(name, to, 0)
	if l.kind == nothing {
		l.text = name
	}
	w.line(depth, "emit(%s)", l.text)
	if depth == 1 {
		w.roots = append(w.roots, root{name, to})
	}
}

// params are those that are pointers to structs, some of them.
func (w *walker) params(proto btf.Proto) (list []string) {
	w.roots = nil
	for _, p := range proto.Params {
		to, name := w.structBehind(p.Type)
		if name == "" || strings.HasPrefix(p.Name, "arg") || goName(p.Name) != p.Name || p.Name == name || len(list) == 3 {
			continue
		}
		list = append(list, p.Name+" *"+name)
		w.roots = append(w.roots, root{p.Name, to})
	}
	return list
}

// structBehind is the struct that a pointer points to.
func (w *walker) structBehind(id btf.ID) (to btf.ID, name string) {
	p, err := w.spec.Strip(id)
	if err != nil || p.Kind != btf.Pointer {
		return 0, ""
	}
	st, err := w.spec.Strip(p.Elem)
	if err != nil || st.Kind != btf.Struct || goName(st.Name) != st.Name {
		return 0, ""
	}
	return st.ID, st.Name
}

func goName(name string) string {
	if token.IsKeyword(name) {
		return "_" + name
	}
	return name
}

func (w *walker) line(depth int, format string, args ...any) {
	w.lines = append(w.lines, strings.Repeat("\t", depth)+fmt.Sprintf(format, args...))
}

// A leaf is where a chain ends.
type leaf struct {
	text string
	kind leafKind
	to   btf.ID // of a pointer to a struct
}

type leafKind int

const (
	nothing leafKind = iota
	number
	boolean
	text
	pointer
)

// leaf walks from one of the roots.
func (w *walker) leaf() leaf {
	for range 20 {
		r := w.roots[w.IntN(len(w.roots))]
		if l := w.walk(r.name, r.to, 0); l.kind != nothing {
			return l
		}
	}
	return leaf{"pid()", number, 0}
}

func (w *walker) walk(chain string, id btf.ID, depth int) leaf {
	t, err := w.spec.Strip(id)
	if err != nil || depth > 8 {
		return leaf{}
	}
	switch t.Kind {
	case btf.Struct, btf.Union:
		return w.member(chain, t, depth)
	case btf.Int:
		if t.Bool {
			return leaf{chain, boolean, 0}
		}
		return leaf{chain, number, 0}
	case btf.Enum, btf.Enum64:
		return leaf{chain, number, 0}
	case btf.Array:
		elem, err := w.spec.Strip(t.Elem)
		if err != nil || t.Len == 0 {
			return leaf{}
		}
		if elem.Char() {
			return leaf{chain, text, 0}
		}
		return w.walk(fmt.Sprintf("%s[%d]", chain, w.IntN(int(t.Len))), t.Elem, depth+1)
	case btf.Pointer:
		if w.spec.CharPointer(t.ID) {
			return leaf{"str(" + chain + ")", text, 0}
		}
		if elem, err := w.spec.Strip(t.Elem); err == nil && elem.Kind == btf.FuncProto {
			return leaf{chain, number, 0}
		}
		to, name := w.structBehind(t.ID)
		if name != "" && w.IntN(4) > 0 {
			return w.walk(chain, to, depth+1)
		}
		return leaf{chain, pointer, to}
	}
	return leaf{}
}

func (w *walker) member(chain string, t btf.Type, depth int) leaf {
	members, err := w.spec.Members(t.ID)
	if err != nil || len(members) == 0 {
		return leaf{}
	}
	m := members[w.IntN(len(members))]
	kind, err := w.spec.Strip(m.Type)
	switch {
	case err != nil:
		return leaf{}
	case m.Name == "" && (kind.Kind == btf.Struct || kind.Kind == btf.Union):
		return w.walk(chain, m.Type, depth+1)
	case m.Name == "":
		return leaf{}
	case m.Bits != 0 && !kind.Bool:
		return leaf{chain + "." + goName(m.Name), number, 0}
	}
	return w.walk(chain+"."+goName(m.Name), m.Type, depth+1)
}

// statement writes one that uses what a chain leads to.
func (w *walker) statement(depth int) {
	l := w.leaf()
	switch n := w.IntN(4); l.kind {
	case number:
		w.number(l, depth)
	case boolean:
		w.block(depth, l.text)
	case text:
		switch n {
		case 0:
			w.line(depth, "names[%s]++", l.text)
		case 1:
			w.block(depth, l.text+` == "init"`)
		default:
			w.line(depth, "emit(%s, comm())", l.text)
		}
	case pointer:
		switch {
		case l.to != 0 && n > 0:
			w.names++
			name := fmt.Sprint("v", w.names)
			w.line(depth, "%s := %s", name, l.text)
			w.line(depth, "if %s == nil {", name)
			w.line(depth, "\treturn")
			w.line(depth, "}")
			if depth == 1 {
				w.roots = append(w.roots, root{name, l.to})
			}
		case n == 0:
			w.line(depth, "emit(%s)", l.text)
		case n == 1:
			w.guess(depth, l.text)
		default:
			w.block(depth, l.text+" != nil")
		}
	}
}

func (w *walker) number(l leaf, depth int) {
	switch w.IntN(12) {
	case 8:
		w.line(depth, "seen[who{uint64(%s), comm(), uint64(%s) > 4}]++", l.text, w.number64())
	case 9:
		w.line(depth, "emit(%s, tid(), ustack(), place())", l.text)
	case 10:
		w.guess(depth, "uint64("+l.text+")")
	case 0:
		w.line(depth, "counts[uint64(%s)]++", l.text)
	case 1:
		w.line(depth, "sizes.add(uint64(%s))", l.text)
	case 2:
		w.line(depth, "per[uint32(%s)].add(int64(%s))", w.number64(), l.text)
	case 3:
		w.line(depth, "cells[uint64(%s)&7] += uint64(%s) / (uint64(%s) + 1)", l.text, w.number64(), l.text)
	case 4:
		w.block(depth, fmt.Sprintf("uint64(%s) > uint64(%s)>>%d", l.text, w.number64(), w.IntN(9)))
	case 5:
		w.line(depth, "emit(%s, pid(), kstack())", l.text)
	case 6:
		w.line(depth, "for i := range %d {", 2+w.IntN(6))
		w.line(depth, "\tcells[i] += uint64(%s)", l.text)
		w.line(depth, "}")
	default:
		w.line(depth, "sum += uint64(%s)", l.text)
	}
}

func (w *walker) number64() string {
	for range 10 {
		if l := w.leaf(); l.kind == number {
			return l.text
		}
	}
	return "sum"
}

func (w *walker) block(depth int, condition string) {
	w.line(depth, "if %s {", condition)
	if depth < 3 {
		w.statement(depth + 1)
	}
	w.line(depth, "\tsum++")
	w.line(depth, "}")
}
