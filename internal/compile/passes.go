package compile

import (
	"ktrap/internal/compile/ir"
	"ktrap/internal/compile/lower"
	"ktrap/internal/compile/opt"
)

// state is a handler on its way through the passes.
type state struct {
	f      *ir.Func
	target lower.Target
	args   lower.Args
	watch  func(pass string, lines []ir.Line) // sees what each pass leaves; may be nil
}

// A pass rewrites state.f. The order of a table is checked by a test: what a pass
// needs, one before it gives.
type pass struct {
	name         string
	needs, gives string
	run          func(*state)
}

func plain(f func(*ir.Func)) func(*state) { return func(s *state) { f(s.f) } }

// early runs once, for all targets.
var early = []pass{
	{"branches", "", "", plain(opt.Branches)},
	{"values", "", "folded", plain(opt.Values)},
	{"thread", "folded", "", plain(opt.Thread)},
	{"branches", "folded", "", plain(opt.Branches)},
	{"dead", "folded", "", plain(opt.Dead)},
}

// late runs for each target, on a copy.
var late = []pass{
	{"lower", "", "lowered", func(s *state) { lower.Func(s.f, s.target, s.args) }},
	{"same", "lowered", "", plain(opt.Same)},
	{"promote", "lowered", "loaded", plain(opt.Promote)},
	{"stores", "loaded", "", plain(opt.Stores)},
	{"values", "lowered", "known", plain(opt.Values)},
	{"thread", "known", "", plain(opt.Thread)},
	{"branches", "", "", plain(opt.Branches)},
	{"dead", "known", "", plain(opt.Dead)},
	{"sink", "known", "", plain(opt.Sink)},
	{"again", "known", "", plain(opt.Again)},
	{"unread", "known", "", plain(opt.Unread)},
	{"rename", "known", "", plain(opt.Rename)},
	{"legal", "lowered", "legal", plain(lower.Legal)},
}

func run(passes []pass, s *state) {
	for _, p := range passes {
		p.run(s)
		s.tell(p.name)
	}
}

func (s *state) tell(pass string) {
	if s.watch != nil {
		s.watch(pass, s.f.Lines())
	}
}
