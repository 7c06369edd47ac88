package ktrap

import (
	"bytes"
	"strings"

	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/patch"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// patches returns what the tables of the kernel, or of a module, tell of a
// function: of a running kernel those that it keeps, of an image all. What can't
// be read is not there.
func (k *Kernel) patches(sym symbols.Symbol) *patch.Table {
	function, all := tableOf{sym.Module, sym.Addr}, tableOf{module: sym.Module}
	for _, of := range []tableOf{all, function} {
		if t, read := k.tables[of]; read {
			return t
		}
	}
	const few = 16
	if len(k.tables) >= few { // so many that all at once is quicker
		return k.allPatches(sym.Module)
	}
	k.tables[function] = k.readPatches(sym.Module, patch.Range{Start: sym.Addr, End: sym.Addr + sym.Size})
	return k.tables[function]
}

// allPatches returns what the tables tell of all of the kernel, or of a module.
func (k *Kernel) allPatches(module string) *patch.Table {
	of := tableOf{module: module}
	if _, read := k.tables[of]; !read {
		k.tables[of] = k.readPatches(module, patch.Range{})
	}
	return k.tables[of]
}

// tableOf says of what a table tells: of a function or, without an address, of
// all of a module or the kernel.
type tableOf struct {
	module string
	addr   uint64
}

func (k *Kernel) readPatches(module string, within patch.Range) *patch.Table {
	if image, ok := k.symbols.(*symbols.Image); ok {
		t, _ := image.Patches()
		return t
	}
	source := patch.Source{Arch: k.goarch, Memory: k.symbols, Symbol: k.address, Within: within}
	if module != "" {
		return k.modulePatches(source, module)
	}
	source.Text = k.textRanges()
	t, _ := patch.Read(source, patch.Kept()...)
	return t
}

func (k *Kernel) modulePatches(source patch.Source, module string) *patch.Table {
	spec, err := k.spec("")
	if err != nil {
		return nil
	}
	layout, err := patch.ModulesOf(spec)
	if err != nil {
		return nil
	}
	head, ok := k.address("modules")
	if !ok {
		return nil
	}
	t, _ := layout.Read(source, head, module)
	return t
}

// textRanges are the kernel's code that stays and that which it drops after boot.
func (k *Kernel) textRanges() []patch.Range {
	var ranges []patch.Range
	for _, bounds := range [][2]string{{"_stext", "_etext"}, {"_sinittext", "_einittext"}} {
		start, ok1 := k.address(bounds[0])
		end, ok2 := k.address(bounds[1])
		if ok1 && ok2 {
			ranges = append(ranges, patch.Range{Start: start, End: end})
		}
	}
	return ranges
}

// address is that of a symbol of the kernel proper. The bounds of tables are
// looked up together: one search costs as much as all.
func (k *Kernel) address(name string) (uint64, bool) {
	for _, prefix := range []string{"__start_", "__stop_"} {
		if strings.HasPrefix(name, prefix) {
			return k.bound(prefix, name)
		}
	}
	found, err := k.symbols.Named(name)
	if err != nil || len(found) == 0 {
		return 0, false
	}
	return found[0].Addr, true
}

func (k *Kernel) bound(prefix, name string) (uint64, bool) {
	if k.bounds == nil {
		k.bounds = map[string]map[string]uint64{}
	}
	all, read := k.bounds[prefix]
	if !read {
		all = map[string]uint64{}
		k.bounds[prefix] = all
		found, _ := k.symbols.Glob("", prefix+"*")
		for _, s := range found {
			if s.Module == "" {
				all[s.Name] = s.Addr
			}
		}
	}
	addr, ok := all[name]
	return addr, ok
}

// explain tells all of a place: the verdict, how it came about, and how the
// kernel will run a probe there.
func (k *Kernel) explain(w wanted, sym symbols.Symbol, addr uint64) site.Explanation {
	return site.Explain(k.whole(w, sym, addr))
}

// survey tells of each instruction of a function whether and how it can be
// probed.
func (k *Kernel) survey(w wanted, sym symbols.Symbol) []site.Mark {
	return site.Survey(k.whole(w, sym, sym.Addr))
}

// whole is a query with every fact there is.
func (k *Kernel) whole(w wanted, sym symbols.Symbol, addr uint64) site.Query {
	k.learn()
	q := k.query(w, sym, addr)
	q.Patches = k.patches(sym)
	return q
}

// learn finds out what takes too long for a single place, as a rule.
func (k *Kernel) learn() {
	k.readTraceable()
	if rules := k.rules(); rules.Optprobes == site.Unknown {
		k.abilities(rules)
		rules.Learn(k.address)
	}
}

// abilities are what the running kernel tells of itself beside its symbols.
func (k *Kernel) abilities(s *site.Kernel) {
	if !k.live {
		s.Preemptible = k.preemptible()
		return
	}
	running := kernel.Gather(facts.Optprobes, facts.OnNotrace)
	s.Optprobes = known(running, facts.Optprobes)
	s.NotraceAllowed = running.Can(facts.OnNotrace) == nil
	s.Preemptible = site.AnswerOf(kernel.Preemptible())
}

// preemptible asks an image's banner, which has the word if the kernel was built
// so.
func (k *Kernel) preemptible() site.Answer {
	line := make([]byte, 512)
	addr, ok := k.address("linux_banner")
	if !ok || k.symbols.ReadMem(line, addr) != nil {
		return site.Unknown
	}
	banner, _, _ := bytes.Cut(line, []byte{'\n'})
	return site.AnswerOf(bytes.Contains(banner, []byte(" PREEMPT")))
}

func known(k *facts.Kernel, f facts.Feature) site.Answer {
	switch k.Features[f].State {
	case facts.Yes:
		return site.Yes
	case facts.No:
		return site.No
	}
	return site.Unknown
}
