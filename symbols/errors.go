package symbols

import (
	"cmp"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A NotFoundError says that a kernel has no such symbol.
type NotFoundError struct {
	Image        string   // the image's name; "" for the running kernel
	Module, Name string   // as asked for; Name may be a pattern
	AnyKind      bool     // not only functions were asked for
	NotLoaded    bool     // there is no such Module
	Elsewhere    []Symbol // of that name, outside Module
	Clones       []Symbol // that the compiler made out of it
	Suggestions  []string // names most like it, if there is nothing better
}

func (e *NotFoundError) Error() string {
	s := fmt.Sprintf("no symbol %s in %s", e.Name, e.home(e.Module))
	switch {
	case e.NotLoaded && e.Image != "":
		return fmt.Sprintf("module %s is not in %s: an image holds the kernel without its modules", e.Module, e.Image)
	case e.NotLoaded:
		s = fmt.Sprintf("module %s is not loaded", e.Module)
	case strings.ContainsAny(e.Name, "*?[") && e.AnyKind:
		s = fmt.Sprintf("no symbol of %s matches %s", e.home(e.Module), e.Name)
	case strings.ContainsAny(e.Name, "*?["):
		s = fmt.Sprintf("no function of %s matches %s", e.home(e.Module), e.Name)
	}
	switch {
	case len(e.Elsewhere) > 0:
		return fmt.Sprintf("%s (%s is in %s)", s, e.Name, e.home(e.Elsewhere[0].Module))
	case e.NotLoaded:
		return fmt.Sprintf("%s (modprobe %s would load it)", s, e.Module)
	case len(e.Clones) > 0:
		return fmt.Sprintf("%s (the compiler made %s out of it)", s, names(e.Clones))
	case len(e.Suggestions) > 0:
		return fmt.Sprintf("%s (did you mean %s?)", s, strings.Join(e.Suggestions, " or "))
	}
	return s
}

func (e *NotFoundError) home(module string) string {
	if module == "" {
		return (&view{image: e.Image}).home()
	}
	return "module " + module
}

// home is what errors call the kernel.
func (v *view) home() string { return cmp.Or(v.image, "the running kernel") }

func names(symbols []Symbol) string {
	var names []string
	for _, s := range symbols {
		names = append(names, s.Name)
	}
	return strings.Join(names, " and ")
}

// An AmbiguousError says that a name stands for several symbols, where one was
// wanted.
type AmbiguousError struct {
	Name    string
	Symbols []Symbol
}

func (e *AmbiguousError) Error() string {
	var places []string
	for _, s := range e.Symbols {
		place := fmt.Sprintf("%#x", s.Addr)
		if s.Module != "" {
			place += " of " + s.Module
		}
		places = append(places, place)
	}
	return fmt.Sprintf("%d functions are named %s (name one by its address: %s)",
		len(e.Symbols), e.Name, strings.Join(places, ", "))
}

// A HiddenError says that the kernel shows this process zeros for addresses.
type HiddenError struct {
	Restrict int  // sysctl kernel.kptr_restrict
	Capable  bool // the process has CAP_SYSLOG
}

func (e *HiddenError) Error() string {
	const hidden = "the kernel hides its addresses: "
	switch {
	case e.Restrict >= 2 && e.Capable:
		return hidden + "kernel.kptr_restrict is 2, for root too (sysctl kernel.kptr_restrict=1 shows them to root)"
	case e.Restrict >= 2:
		return hidden + "kernel.kptr_restrict is 2, for root too (as root, sysctl kernel.kptr_restrict=1 shows them to root)"
	}
	return fmt.Sprintf("%sthis process lacks CAP_SYSLOG and kernel.kptr_restrict is %d (run as root)", hidden, e.Restrict)
}

// hiddenError finds out why addresses are hidden.
func (l *Live) hiddenError() error {
	e := &HiddenError{}
	restrict, err := os.ReadFile(l.path("sys/kernel/kptr_restrict"))
	if err == nil {
		e.Restrict, err = strconv.Atoi(strings.TrimSpace(string(restrict)))
	}
	if err != nil {
		return fmt.Errorf("the kernel hides its addresses: %w", err)
	}
	e.Capable = l.hasSyslog()
	return e
}

// hasSyslog reads the effective capabilities, of which CAP_SYSLOG is bit 34.
func (l *Live) hasSyslog() bool {
	status, _ := os.ReadFile(l.path("self/status"))
	for line := range strings.Lines(string(status)) {
		if hex, ok := strings.CutPrefix(line, "CapEff:"); ok {
			caps, _ := strconv.ParseUint(strings.TrimSpace(hex), 16, 64)
			return caps>>34&1 == 1
		}
	}
	return false
}

// notFound finds out what there is instead; what it can't is left out.
func (v *view) notFound(module, name string) error {
	e := &NotFoundError{Image: v.image, Module: module, Name: name}
	if module != "" {
		loaded, _ := v.loaded()
		e.NotLoaded = !isLoaded(loaded, module)
		e.Elsewhere, _ = v.Named(name)
		more, _ := v.inModules("", func(s Symbol) bool { return s.Name == name })
		e.Elsewhere = append(e.Elsewhere, more...)
	}
	if !e.NotLoaded {
		e.Clones, _ = v.Clones(module, name)
	}
	if !e.NotLoaded && len(e.Clones)+len(e.Elsewhere) == 0 {
		e.Suggestions = v.Suggest(module, name, 3)
	}
	return e
}
