package ktrap

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/btf"
	"ktrap/internal/capture"
	"ktrap/internal/compile"
	"ktrap/internal/object"
	"ktrap/internal/oneliner"
	"ktrap/internal/value"
)

// expressions are what a probe's If and Show say that is more than a path: compiled,
// as parts of the program that records a hit.
type expressions struct {
	cond, show *capture.Part
	fields     []object.Field // of show
	needs      []compile.Needs
}

// asked is one thing that Show names.
type asked struct {
	text   string
	isPath bool
}

// path is how a path from an argument is written: sk.__sk_common.skc_dport.
var path = regexp.MustCompile(`^\w+((\.|->)\w+|\[\w+\])*$`)

// register is an expression that is one and no more.
var register = regexp.MustCompile(`^r\.\w+$`)

// parts tells paths from expressions. What begins like a parameter is a path.
func parts(show string, params []string) (all []asked) {
	for _, text := range splitList(show) {
		if slices.ContainsFunc(all, func(a asked) bool { return a.text == text }) {
			continue
		}
		root, _, _ := strings.Cut(strings.NewReplacer("->", ".", "[", ".").Replace(text), ".")
		isWord := compile.IsWord(root) || root == "r"
		all = append(all, asked{text, path.MatchString(text) && (!isWord || slices.Contains(params, root))})
	}
	return all
}

// splitList cuts at commas that stand in no brackets and no text.
func splitList(text string) (list []string) {
	depth, from := 0, 0
	var quote rune
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote && text[i-1] != '\\' {
				quote = 0
			}
		case c == '"' || c == '`' || c == '\'':
			quote = c
		case strings.ContainsRune("([{", c):
			depth++
		case strings.ContainsRune(")]}", c):
			depth--
		case c == ',' && depth == 0:
			list = append(list, strings.TrimSpace(text[from:i]))
			from = i + 1
		}
	}
	return append(list, strings.TrimSpace(text[from:]))
}

// parameters are the names that a path may begin with.
func parameters(spec *btf.Spec, fn btf.ID, returned bool) (names []string) {
	if returned {
		return []string{"retval"}
	}
	if fn == 0 {
		return nil
	}
	proto, err := spec.Proto(fn)
	if err != nil {
		return nil
	}
	for _, p := range proto.Params {
		names = append(names, p.Name)
	}
	return names
}

// express compiles r's condition and those of the values to show that are no paths.
func (s *Session) express(r *Registration, show []asked) (x expressions, err error) {
	if r.probe.If != "" {
		request := oneliner.Request{What: oneliner.Send, If: oneliner.Expr{Flag: "--if", Text: r.probe.If}}
		if x.cond, _, err = s.part(r, request, &x); err != nil {
			return x, err
		}
	}
	var texts []string
	for _, a := range show {
		if !a.isPath {
			texts = append(texts, a.text)
		}
	}
	if texts == nil {
		return x, nil
	}
	request := oneliner.Request{What: oneliner.Send, Show: oneliner.Expr{Flag: "--show", Text: strings.Join(texts, ",")}}
	if x.show, x.fields, err = s.part(r, request, &x); err != nil {
		return x, err
	}
	for i := range x.fields {
		x.fields[i].Name = texts[i]
		if register.MatchString(texts[i]) {
			x.fields[i].Kind = object.Pointer // to be shown as registers are
		}
	}
	return x, nil
}

// shared is a part that was compiled for another probe: one for which the file was
// the same makes the same.
type shared struct {
	part   *capture.Part
	fields []object.Field
}

// part compiles what a request stands for as a part of another program.
func (s *Session) part(r *Registration, request oneliner.Request, x *expressions) (*capture.Part, []object.Field, error) {
	if why := s.kernel.Programs(); why != nil {
		return nil, nil, errors.New("an expression runs in the kernel as a program, and none can: " + why.Error())
	}
	request.Places = []string{r.name}
	env := s.on.env(s.arch, HandlerFile{Place: r.name})
	f, err := oneliner.Make(request, env)
	if err != nil {
		return nil, nil, typed(err)
	}
	env.Part = true
	unit, errs := compile.Check(compile.Source{Name: "expression.go", Text: []byte(f.Text)}, env)
	if errs != nil {
		return nil, nil, &SourceError{errs, []byte(f.Text)}
	}
	h := unit.Handlers[0]
	x.needs = append(x.needs, h.Needs)
	key := f.Text
	if !h.Needs.Args && !h.Needs.Ret {
		_, key, _ = strings.Cut(f.Text, "\nfunc ") // the place does not matter
	}
	if p := s.parts[key]; p != nil {
		return p.part, p.fields, nil
	}
	p := &shared{fields: unit.Records[0].Fields}
	p.part = &capture.Part{Size: unit.Records[0].Size, Emit: func(t capture.Target) (asm.Instructions, error) {
		target := compile.Target{Arch: t.Arch, Context: t.Context, Copy: t.Copy, Bare: true}
		if spec, err := s.on.spec(""); err == nil {
			target.Cast, target.TaskBTF = kernelReads(spec)
		}
		o, err := h.Emit(target)
		if err != nil {
			return nil, err
		}
		return o.Insns, nil
	}}
	if s.parts == nil {
		s.parts = map[string]*shared{}
	}
	s.parts[key] = p
	return p.part, p.fields, nil
}

// show is what the probe's Show named, in that order.
func (r *Registration) show(record []byte, paths []Value) []Value {
	if r.expressions.show == nil {
		return paths
	}
	evaluated := r.evaluated(r.typed.ShowOf(record))
	var all []Value
	i, j := 0, 0
	for _, a := range r.shown {
		switch {
		case a.isPath && i < len(paths):
			all = append(all, paths[i])
			i++
		case !a.isPath && j < len(evaluated):
			all = append(all, evaluated[j])
			j++
		}
	}
	return all
}

// evaluated is what the expressions of the probe's Show left in a record.
func (r *Registration) evaluated(data []byte) (all []Value) {
	for _, f := range r.expressions.fields {
		all = append(all, r.session.named(value.OfField(f, data), f))
	}
	return all
}
