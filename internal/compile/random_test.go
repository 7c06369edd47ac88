package compile_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// A random handler file is valid Go with a meaning: whatever Go leaves open (the
// order in which operands are evaluated) does not matter in it, and loops end.
// Its variables are its input and, with its maps, its output.
//
// Divisions are marked, because Go ends the program where a handler goes on:
// asHandler writes them as divisions, asGo as calls of functions that give what a
// handler has.

const (
	openQuo = "\x01"
	midQuo  = "\x02"
	openRem = "\x03"
	midRem  = "\x04"
	closed  = "\x05"
)

var (
	asHandler = strings.NewReplacer(openQuo, "(", midQuo, " / ", openRem, "(", midRem, " % ", closed, ")")
	asGo      = strings.NewReplacer(openQuo, "quo(", midQuo, ", ", openRem, "rem(", midRem, ", ", closed, ")")
)

// shape is what a type is made of.
type shape uint8

const (
	integer shape = iota
	boolean
	text
	array
	record
)

type typ struct {
	shape  shape
	name   string
	bits   int // of an integer
	signed bool
	elem   *typ // of an array
	length int
	fields []field
}

type field struct {
	name string
	typ  *typ
}

var (
	boolType = &typ{shape: boolean, name: "bool"}
	textType = &typ{shape: text, name: "string"}
	intType  = &typ{shape: integer, name: "int", bits: 64, signed: true}
	integers = []*typ{
		{name: "int8", bits: 8, signed: true}, {name: "int16", bits: 16, signed: true},
		{name: "int32", bits: 32, signed: true}, {name: "int64", bits: 64, signed: true},
		{name: "uint8", bits: 8}, {name: "uint16", bits: 16}, {name: "uint32", bits: 32}, {name: "uint64", bits: 64},
		intType, {name: "uint", bits: 64}, {name: "uintptr", bits: 64},
	}
)

// place is something that has a type and can be written down.
type place struct {
	text  string
	typ   *typ
	fixed bool // not assigned: a loop's counter
}

type mapping struct {
	name string
	key  *typ
	elem *typ
}

type function struct {
	name   string
	params []*typ
	result *typ
	second *typ // of two results, or nil
}

type generator struct {
	*rand.Rand
	prefix  string // of every name of the file, so that many files make one Go package
	b       strings.Builder
	indent  int
	names   int
	left    int // statements that may still be written
	loops   int // around this statement
	places  []place
	maps    []mapping
	structs []*typ
	funcs   []function
	pure    bool     // inside a function that has no effect
	results []*typ   // of the function that is being written
	labels  []string // of the loops around
}

// file is a random handler file.
type file struct {
	text       string
	vars, maps []string // names
	handler    string
}

// randomFile writes file n of a seed.
func randomFile(seed, n uint64) file {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, n)), prefix: fmt.Sprintf("p%d_", n)}
	g.line("package trap")
	g.line("")
	for range g.IntN(3) {
		g.declareStruct()
	}
	g.line("var (")
	g.indent++
	g.global(g.integer())
	for range 2 + g.IntN(5) {
		g.global(g.scalar())
	}
	for range g.IntN(4) {
		g.global(g.any())
	}
	for range g.IntN(3) {
		g.declareMap()
	}
	g.indent--
	g.line(")")
	f := file{handler: g.prefix + "pre"}
	for _, p := range g.places {
		f.vars = append(f.vars, p.text)
	}
	for _, m := range g.maps {
		f.maps = append(f.maps, m.name)
	}
	for range g.IntN(3) {
		g.function()
	}
	g.handler()
	f.text = g.b.String()
	return f
}

// line writes a line of Go.
func (g *generator) line(format string, args ...any) {
	fmt.Fprintf(&g.b, strings.Repeat("\t", g.indent)+format+"\n", args...)
}

func (g *generator) name(stem string) string {
	g.names++
	return fmt.Sprintf("%s%s%d", g.prefix, stem, g.names)
}

func pick[T any](g *generator, list []T) T { return list[g.IntN(len(list))] }

func (g *generator) one(in int) bool { return g.IntN(in) == 0 }

func (g *generator) integer() *typ { return pick(g, integers) }

func (g *generator) scalar() *typ {
	if g.one(8) {
		return boolType
	}
	return g.integer()
}

// any is any type that a variable may have.
func (g *generator) any() *typ {
	switch n := g.IntN(8); {
	case n < 3:
		return g.array()
	case n < 6 && len(g.structs) > 0:
		return pick(g, g.structs)
	case n < 7:
		return textType
	}
	return g.scalar()
}

func (g *generator) array() *typ {
	t := &typ{shape: array, elem: g.scalar(), length: 1 + g.IntN(8)}
	if g.one(5) && len(g.structs) > 0 {
		t.elem, t.length = pick(g, g.structs), 1+g.IntN(3)
	}
	t.name = fmt.Sprintf("[%d]%s", t.length, t.elem.name)
	return t
}

func (g *generator) declareStruct() {
	t := &typ{shape: record, name: g.name("S")}
	g.line("type %s struct {", t.name)
	for i := range 1 + g.IntN(4) {
		of := g.scalar()
		if g.one(6) {
			of = textType
		}
		t.fields = append(t.fields, field{fmt.Sprintf("f%d", i), of})
		g.line("\tf%d %s", i, of.name)
	}
	g.line("}")
	g.structs = append(g.structs, t)
}

func (g *generator) global(t *typ) {
	name := g.name("g")
	g.line("%s %s", name, t.name)
	g.places = append(g.places, place{text: name, typ: t})
}

func (g *generator) declareMap() {
	m := mapping{name: g.name("m"), key: g.scalar(), elem: g.integer()}
	switch {
	case g.one(4):
		m.key = textType
	case g.one(3) && len(g.structs) > 0:
		m.key = pick(g, g.structs)
	}
	if g.one(6) && len(g.structs) > 0 {
		m.elem = pick(g, g.structs)
	}
	g.line("%s map[%s]%s", m.name, m.key.name, m.elem.name)
	g.maps = append(g.maps, m)
}

// function declares one without effects: the order of its calls is its caller's
// compiler's own affair.
func (g *generator) function() {
	f := function{name: g.name("f"), result: g.scalar()}
	g.results = []*typ{f.result}
	result := f.result.name
	if g.one(4) {
		f.second = g.scalar()
		g.results = append(g.results, f.second)
		result = "(" + result + ", " + f.second.name + ")"
	}
	outer := g.places
	var params []string
	for range 1 + g.IntN(3) {
		p := place{text: g.name("a"), typ: g.scalar()}
		f.params = append(f.params, p.typ)
		g.places = append(g.places, p)
		params = append(params, p.text+" "+p.typ.name)
	}
	g.line("")
	g.line("func %s(%s) %s {", f.name, strings.Join(params, ", "), result)
	g.indent++
	g.pure, g.left = true, 2+g.IntN(4)
	g.places = onlyLocal(g.places, len(outer))
	g.statements()
	g.giveBack()
	g.indent--
	g.line("}")
	g.pure, g.results = false, nil
	g.places = outer
	g.funcs = append(g.funcs, f)
}

// giveBack writes a return.
func (g *generator) giveBack() {
	var values []string
	for _, t := range g.results {
		values = append(values, g.expr(t, 3))
	}
	g.line("%s", strings.TrimSpace("return "+strings.Join(values, ", ")))
}

// leave writes a return on a condition.
func (g *generator) leave() {
	g.line("if %s {", g.expr(boolType, 2))
	g.indent++
	g.giveBack()
	g.indent--
	g.line("}")
}

// onlyLocal marks what a function without effects may not assign.
func onlyLocal(places []place, globals int) []place {
	places = slices.Clone(places)
	for i := range places[:globals] {
		places[i].fixed = true
	}
	return places
}

func (g *generator) handler() {
	g.line("")
	g.line("//ktrap:pre probed")
	g.line("func %spre() {", g.prefix)
	g.indent++
	g.left = 6 + g.IntN(16)
	var kept []place
	if g.one(3) {
		kept = g.crowd()
	}
	g.statements()
	for _, p := range kept {
		if to, ok := g.assignable(p.typ); ok {
			g.line("%s = %s", to, g.wrap(p.text, p.typ, to))
		}
	}
	g.indent--
	g.line("}")
}

// wrap mixes a value into a place of its type.
func (g *generator) wrap(value string, t *typ, to string) string {
	if t.shape == boolean {
		return fmt.Sprintf("%s != %s", to, value)
	}
	return fmt.Sprintf("%s ^ %s", to, value)
}

// crowd declares more variables than there are registers.
func (g *generator) crowd() []place {
	var kept []place
	for range 6 + g.IntN(8) {
		p := place{text: g.name("v"), typ: g.scalar()}
		g.line("%s := %s", p.text, g.expr(p.typ, 2))
		kept = append(kept, p)
	}
	g.places = append(g.places, kept...)
	return kept
}

// statements writes a block's body.
func (g *generator) statements() {
	outer := len(g.places)
	for n := 1 + g.IntN(5); n > 0 && g.left > 0; n-- {
		g.left--
		g.statement()
	}
	g.places = g.places[:outer]
}

func (g *generator) block() {
	g.indent++
	g.statements()
	g.indent--
}

func (g *generator) statement() {
	switch n := g.IntN(27); {
	case n < 7:
		g.assign()
	case n < 10:
		g.update()
	case n < 12:
		g.local()
	case n < 15:
		g.branch()
	case n < 17:
		g.loop()
	case n < 19:
		g.choice()
	case n < 20:
		g.swap()
	case n < 22 && len(g.maps) > 0 && !g.pure:
		g.mapStatement()
	case n < 23:
		g.callTwo()
	case n < 24:
		g.halve()
	case n < 25:
		g.leave()
	default:
		g.assign()
	}
}

// callTwo takes both results of a function.
func (g *generator) callTwo() {
	for _, f := range g.funcs {
		if f.second == nil {
			continue
		}
		a, b := place{text: g.name("v"), typ: f.result}, place{text: g.name("v"), typ: f.second}
		g.line("%s, %s := %s", a.text, b.text, g.callOf(f))
		g.line("_ = %s", a.text)
		g.line("_ = %s", b.text)
		g.places = append(g.places, a, b)
		return
	}
	g.assign()
}

// halve is a loop of which nobody knows how often it turns, but at most 64 times.
func (g *generator) halve() {
	if g.loops > 0 {
		g.assign()
		return
	}
	p := place{text: g.name("v"), typ: pick(g, integers[4:8])}
	g.line("%s := %s", p.text, g.expr(p.typ, 2))
	g.line("for %s > 2 {", p.text)
	g.loops = 2
	g.line("\t%s >>= 1", p.text)
	g.indent++
	g.assign()
	g.indent--
	g.loops = 0
	g.line("}")
	g.places = append(g.places, p)
}

// assignable is a place of type t, the text of one that may be written.
func (g *generator) assignable(t *typ) (string, bool) {
	var fit []string
	for _, p := range g.places {
		if p.fixed {
			continue
		}
		if p.typ == t {
			fit = append(fit, p.text)
		}
		for _, f := range p.typ.fields {
			if f.typ == t {
				fit = append(fit, p.text+"."+f.name)
			}
		}
		if p.typ.shape == array && p.typ.elem == t {
			fit = append(fit, p.text+"["+g.index(p.text, p.typ.length)+"]")
		}
	}
	if len(fit) == 0 {
		return "", false
	}
	return pick(g, fit), true
}

// target is any place that may be written, and its type.
func (g *generator) target() (string, *typ, bool) {
	for range 8 {
		p := pick(g, g.places)
		if p.fixed {
			continue
		}
		text, t := g.descend(p.text, p.typ)
		return text, t, true
	}
	return "", nil, false
}

// descend goes into arrays and structs, mostly.
func (g *generator) descend(text string, t *typ) (string, *typ) {
	for {
		switch {
		case t.shape == array && !g.one(10):
			text, t = text+"["+g.index(text, t.length)+"]", t.elem
		case t.shape == record && !g.one(6):
			f := pick(g, t.fields)
			text, t = text+"."+f.name, f.typ
		default:
			return text, t
		}
	}
}

func (g *generator) assign() {
	if to, t, ok := g.target(); ok {
		g.line("%s = %s", to, g.expr(t, 3))
	}
}

// update writes an assignment with an operation.
func (g *generator) update() {
	to, t, ok := g.target()
	if !ok {
		return
	}
	if t.shape != integer {
		g.line("%s = %s", to, g.expr(t, 2))
		return
	}
	switch op := pick(g, []string{"++", "--", "+", "-", "*", "&", "|", "^", "&^", "<<", ">>", "/", "%"}); op {
	case "++", "--":
		g.line("%s%s", to, op)
	case "<<", ">>":
		g.line("%s %s= %s", to, op, g.count(t, 1))
	case "/", "%":
		g.line("%s %s= %s", to, op, g.literal(t, true))
	default:
		g.line("%s %s= %s", to, op, g.operand(t, 2))
	}
}

func (g *generator) local() {
	p := place{text: g.name("v"), typ: g.scalar()}
	if g.one(3) {
		p.typ = g.any()
	}
	switch {
	case g.one(4):
		g.line("var %s %s", p.text, p.typ.name)
	default:
		g.line("%s := %s", p.text, g.expr(p.typ, 3))
	}
	g.line("_ = %s", p.text)
	g.places = append(g.places, p)
}

func (g *generator) branch() {
	outer := len(g.places)
	defer func() { g.places = g.places[:outer] }()
	if g.one(5) {
		p := place{text: g.name("v"), typ: g.integer()}
		value := g.expr(p.typ, 2)
		g.places = append(g.places, p)
		g.line("if %s := %s; (%s == %s) || %s {", p.text, value, p.text, g.operand(p.typ, 1), g.expr(boolType, 1))
	} else {
		g.line("if %s {", g.expr(boolType, 3))
	}
	g.block()
	for g.one(4) {
		g.line("} else if %s {", g.expr(boolType, 2))
		g.block()
	}
	if g.one(2) {
		g.line("} else {")
		g.block()
	}
	g.line("}")
}

func (g *generator) loop() {
	if g.loops >= 2 {
		g.assign()
		return
	}
	counter := place{text: g.name("i"), typ: g.integer(), fixed: true}
	outer, before := slices.Clone(g.places), g.b
	g.b = strings.Builder{}
	label := g.name("L")
	g.labels = append(g.labels, label)
	g.loopHead(&counter)
	g.places = append(g.places, counter)
	g.indent++
	g.line("_ = %s", counter.text)
	g.loops++
	g.statements()
	if g.one(3) {
		g.line("if %s {", g.expr(boolType, 2))
		g.line("\t%s", g.jump())
		g.line("}")
		g.left--
		g.statement()
	}
	g.loops--
	g.indent--
	g.line("}")
	g.places = outer
	g.labels = g.labels[:len(g.labels)-1]
	body := g.b.String()
	g.b = strings.Builder{}
	g.b.WriteString(before.String())
	if strings.Contains(body, " "+label) {
		g.line("%s:", label)
	}
	g.b.WriteString(body)
}

// jump leaves or goes on with a loop, sometimes an outer one.
func (g *generator) jump() string {
	word := pick(g, []string{"break", "continue"})
	if g.one(3) {
		word += " " + pick(g, g.labels)
	}
	return word
}

func (g *generator) loopHead(counter *place) {
	turns := 1 + g.IntN(6)
	switch g.IntN(6) {
	case 0:
		g.line("for %[1]s := %[2]s(%[3]d); %[1]s > 0; %[1]s-- {", counter.text, counter.typ.name, turns)
	case 1:
		counter.typ = intType
		g.line("for %s := range %d {", counter.text, turns)
	case 2:
		g.line("for %[1]s := %[2]s(0); %[1]s < %[3]d && %[4]s; %[1]s += 2 {", counter.text, counter.typ.name, 2*turns, g.expr(boolType, 1))
	case 3:
		if !g.rangeArray(counter) {
			g.line("for %[1]s := %[2]s(0); %[1]s <= %[3]d; %[1]s++ {", counter.text, counter.typ.name, turns)
		}
	case 4:
		g.line("for %s := range (%s & 3) {", counter.text, g.leaf(counter.typ))
	default:
		g.line("for %[1]s := %[2]s(0); %[1]s < %[3]d; %[1]s++ {", counter.text, counter.typ.name, turns)
	}
}

// rangeArray ranges over an array: one of the file the body leaves alone, because Go
// ranges over a copy.
func (g *generator) rangeArray(counter *place) bool {
	for i := range g.places {
		p := &g.places[len(g.places)-1-i]
		if p.typ.shape == array && p.typ.elem.shape == integer && !p.fixed {
			counter.typ, p.fixed = p.typ.elem, strings.HasPrefix(p.text, g.prefix+"g")
			g.line("for _, %s := range %s {", counter.text, p.text)
			return true
		}
	}
	return false
}

func (g *generator) choice() {
	t := g.integer()
	tag := " " + g.expr(t, 2)
	if g.one(3) {
		tag = ""
	}
	g.line("switch%s {", tag)
	used := map[string]bool{}
	cases := 1 + g.IntN(3)
	for i := range cases {
		value := g.literal(t, false)
		if used[value] {
			continue
		}
		used[value] = true
		if tag == "" {
			value = g.expr(boolType, 2)
		}
		g.line("case %s:", value)
		g.block()
		if i < cases-1 && g.one(5) {
			g.line("\tfallthrough")
			g.line("case %s:", pick(g, []string{g.fresh(t, used, tag)}))
			g.block()
		}
	}
	if g.one(2) {
		g.line("default:")
		g.block()
	}
	g.line("}")
}

func (g *generator) fresh(t *typ, used map[string]bool, tag string) string {
	if tag == "" {
		return g.expr(boolType, 1)
	}
	for {
		if v := fmt.Sprint(g.IntN(100)); !used[v] {
			used[v] = true
			return v
		}
	}
}

// swap assigns two variables at once. Elements of arrays are left out: which of
// two assignments a bad index stops is seldom meant.
func (g *generator) swap() {
	var fit []place
	for _, p := range g.places {
		if !p.fixed && p.typ.shape == integer {
			fit = append(fit, p)
		}
	}
	if len(fit) < 2 {
		g.assign()
		return
	}
	a, b := pick(g, fit), pick(g, fit)
	if a.text != b.text {
		g.line("%s, %s = %s, %s", a.text, b.text, g.expr(a.typ, 2), g.expr(b.typ, 2))
	}
}

func (g *generator) mapStatement() {
	m := pick(g, g.maps)
	at := m.name + "[" + g.expr(m.key, 1) + "]"
	switch n := g.IntN(8); {
	case n < 1:
		g.line("delete(%s, %s)", m.name, g.expr(m.key, 1))
	case n < 3:
		v, ok := place{text: g.name("v"), typ: m.elem}, place{text: g.name("v"), typ: boolType}
		g.line("%s, %s := %s", v.text, ok.text, at)
		g.line("_ = %s", v.text)
		g.line("_ = %s", ok.text)
		g.places = append(g.places, v, ok)
	case n < 5 || m.elem.shape != integer:
		g.line("%s = %s", at, g.expr(m.elem, 2))
	case n < 6:
		g.line("%s%s", at, pick(g, []string{"++", "--"}))
	default:
		g.line("%s %s= %s", at, pick(g, []string{"+", "-", "*", "&", "|", "^"}), g.operand(m.elem, 1))
	}
}

// expr is an expression of type t that is no constant, for Go computes with
// constants by rules of their own.
func (g *generator) expr(t *typ, depth int) string {
	switch t.shape {
	case boolean:
		return g.condition(depth)
	case integer:
		return g.number(t, depth)
	case text:
		return g.text()
	}
	if t.shape == record && g.one(2) {
		return g.composite(t, depth)
	}
	for _, p := range g.shuffled() {
		if p.typ == t {
			return p.text
		}
	}
	if t.shape == record {
		return g.composite(t, depth)
	}
	return t.name + "{}"
}

func (g *generator) composite(t *typ, depth int) string {
	var parts []string
	for _, f := range t.fields {
		parts = append(parts, g.expr(f.typ, min(depth, 1)))
	}
	return t.name + "{" + strings.Join(parts, ", ") + "}"
}

func (g *generator) shuffled() []place {
	places := slices.Clone(g.places)
	g.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
	return places
}

var texts = []string{"", "a", "b", "ab", "abcdefg", "abcdefgh", "abcdefghi", "abcdefghijklmno", "\xff\x7f"}

func (g *generator) text() string {
	for _, p := range g.shuffled() {
		if p.typ == textType && !g.one(3) {
			return p.text
		}
	}
	return fmt.Sprintf("%q", pick(g, texts))
}

func (g *generator) condition(depth int) string {
	if depth == 0 || g.one(6) {
		if p, ok := g.find(boolType); ok {
			return p
		}
	}
	switch n := g.IntN(10); {
	case n < 2 && depth > 0:
		return "(" + g.condition(depth-1) + pick(g, []string{" && ", " || "}) + g.condition(depth-1) + ")"
	case n < 3 && depth > 0:
		return "!" + g.condition(depth-1)
	case n < 4:
		return g.equality(depth)
	}
	t := g.integer()
	x, y := g.number(t, max(depth-1, 0)), g.operand(t, max(depth-1, 0))
	switch g.IntN(3) { // what is compared is often equal
	case 0:
		x, y = "("+g.leaf(t)+" & 3)", fmt.Sprint(g.IntN(4))
	case 1:
		x, y = "("+g.leaf(t)+" & 3)", "("+g.leaf(t)+" & 3)"
	}
	return "(" + x + pick(g, []string{" < ", " <= ", " > ", " >= ", " == ", " != "}) + y + ")"
}

// equality compares what is no number.
func (g *generator) equality(depth int) string {
	op := pick(g, []string{" == ", " != "})
	for _, p := range g.shuffled() {
		switch {
		case p.typ == textType:
			return "(" + p.text + op + g.text() + ")"
		case p.typ.shape == record:
			for _, q := range g.shuffled() {
				if q.typ == p.typ {
					return "(" + p.text + op + q.text + ")"
				}
			}
		case p.typ == boolType && depth > 0:
			return "(" + p.text + op + g.condition(depth-1) + ")"
		}
	}
	t := g.integer()
	return "(" + g.number(t, 0) + op + g.operand(t, 0) + ")"
}

// number is an integer expression that is no constant.
func (g *generator) number(t *typ, depth int) string {
	if depth == 0 || g.one(5) {
		return g.leaf(t)
	}
	switch n := g.IntN(12); {
	case n < 1:
		return pick(g, []string{"-", "^"}) + g.leaf(t)
	case n < 2:
		return openQuo + g.number(t, depth-1) + midQuo + g.operand(t, depth-1) + closed
	case n < 3:
		return openRem + g.number(t, depth-1) + midRem + g.operand(t, depth-1) + closed
	case n < 5:
		return "(" + g.number(t, depth-1) + pick(g, []string{" << ", " >> "}) + g.count(t, depth-1) + ")"
	case n < 6:
		return t.name + "(" + g.number(g.integer(), depth-1) + ")"
	case n < 7 && len(g.funcs) > 0:
		if call, ok := g.call(t); ok {
			return call
		}
	}
	return "(" + g.number(t, depth-1) + pick(g, []string{" + ", " - ", " * ", " & ", " | ", " ^ ", " &^ "}) + g.operand(t, depth-1) + ")"
}

func (g *generator) call(t *typ) (string, bool) {
	f := pick(g, g.funcs)
	if f.result.shape != integer || f.second != nil {
		return "", false
	}
	call := g.callOf(f)
	if f.result != t {
		call = t.name + "(" + call + ")"
	}
	return call, true
}

func (g *generator) callOf(f function) string {
	var args []string
	for _, p := range f.params {
		args = append(args, g.expr(p, 1))
	}
	return f.name + "(" + strings.Join(args, ", ") + ")"
}

// operand is a right operand: maybe a constant.
func (g *generator) operand(t *typ, depth int) string {
	if g.one(3) {
		return g.literal(t, true)
	}
	return g.number(t, depth)
}

// count is a shift's, of an unsigned type or constant, often too large.
func (g *generator) count(t *typ, depth int) string {
	if g.one(2) {
		return fmt.Sprint(g.IntN(t.bits + 3))
	}
	by := pick(g, integers[4:8])
	if g.one(4) { // about the width
		return fmt.Sprintf("(%d + (%s & 3))", t.bits-2, g.leaf(by))
	}
	if g.one(3) {
		return g.number(by, depth)
	}
	return "(" + g.number(by, depth) + " & " + pick(g, []string{"7", "15", "31", "63", "127"}) + ")"
}

// leaf is a place of an integer type, converted to t if it is of another.
func (g *generator) leaf(t *typ) string {
	if p, ok := g.find(t); ok && !g.one(4) {
		return p
	}
	for _, p := range g.shuffled() {
		if place, of := g.descend(p.text, p.typ); of.shape == integer {
			if of == t {
				return place
			}
			return t.name + "(" + place + ")"
		}
	}
	panic("every file has variables of integer types, or a function parameters")
}

// find is a place of exactly type t.
func (g *generator) find(t *typ) (string, bool) {
	for _, p := range g.shuffled() {
		if place, of := g.descend(p.text, p.typ); of == t {
			return place, true
		}
	}
	return "", false
}

// index is of an array, mostly inside it. A function's arrays take constants only.
func (g *generator) index(of string, length int) string {
	if g.one(2) || strings.HasPrefix(of, g.prefix+"v") {
		return fmt.Sprint(g.IntN(length))
	}
	var fit []place
	for _, p := range g.places {
		if p.typ.shape == integer {
			fit = append(fit, p)
		}
	}
	if len(fit) == 0 {
		return fmt.Sprint(g.IntN(length))
	}
	p := pick(g, fit)
	switch {
	case g.one(12):
		return p.text // where it may be outside, which ends the handler
	case p.typ.signed:
		return fmt.Sprintf("uint8(%s)%%%d", p.text, length)
	case length > 1<<min(p.typ.bits-1, 30):
		return p.text
	}
	return fmt.Sprintf("%s%%%d", p.text, length)
}

// literal is a constant of type t, often at an edge.
func (g *generator) literal(t *typ, notZero bool) string {
	v := g.Uint64() >> g.IntN(64)
	if g.one(2) {
		v = pick(g, []uint64{1, 2, 3, 7, 8, 10, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1})
	}
	var s string
	if t.signed {
		s = fmt.Sprint(int64(v) << (64 - t.bits) >> (64 - t.bits))
	} else {
		s = fmt.Sprint(v << (64 - t.bits) >> (64 - t.bits))
	}
	if s == "0" && notZero {
		s = "5"
	}
	return s
}
