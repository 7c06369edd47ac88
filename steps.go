package ktrap

import (
	"errors"
	"fmt"
	"slices"

	"ktrap/internal/compile"
	"ktrap/internal/outcome"
)

// A post-handler of a file runs in the kernel. Where the outcome is computed, that is
// one program, at the instruction. Where it is observed, one there keeps the
// registers, and the handler is called by those at the places behind it, which are
// registrations that nobody asked for: what they count and send is the first one's.

// follower is where r's handler is called when the instruction has led to addr.
func (r *Registration) follower(addr uint64) *Registration {
	by := &Registration{
		session: r.session, sym: r.sym, asked: addr, Addr: addr, hidden: true,
		probe: Probe{Addr: addr, Optional: true, Post: r.probe.Post}, full: make([]uint64, len(r.full)),
	}
	by.name = by.place()
	return by
}

// forWhom is the registration that somebody asked for.
func (r *Registration) forWhom() *Registration {
	if r.hidden && r.typed == nil {
		return r.shows[0]
	}
	return r
}

// site is the instruction that r's program is told of; nil if it is told of none.
func (r *Registration) site() *compile.Site {
	of := r.forWhom()
	switch {
	case of.posted == nil:
		return nil
	case of.posted.outcome.Kind == outcome.Computed:
		return &compile.Site{Addr: of.Addr, Outcome: &of.posted.outcome, Program: compile.Computing}
	case of == r:
		return &compile.Site{Addr: of.Addr, Outcome: &of.posted.outcome, Program: compile.Keeping}
	}
	return &compile.Site{Addr: of.Addr, Outcome: &of.posted.outcome, Program: compile.Taking}
}

// postsFirst has post-handlers attached before others: of the kprobes at one address,
// the kernel calls the newest first (add_new_kprobe, as old as several at one address).
func (p *prepared) postsFirst() {
	for _, step := range p.steps {
		slices.SortStableFunc(step.Points, func(a, b int) int { return p.regs[a].rank() - p.regs[b].rank() })
	}
}

func (r *Registration) rank() int {
	if r.typed == nil && (r.posted != nil || r.hidden) {
		return 0
	}
	return 1
}

// settleAll takes the counts of r and of those that call its handler.
func (r *Registration) settleAll() error {
	err := r.settle()
	for _, by := range r.followers() {
		err = errors.Join(err, by.settle())
	}
	return err
}

// followers are those that call r's handler in its stead.
func (r *Registration) followers() []*Registration {
	if r.posted == nil || r.typed != nil {
		return nil
	}
	return r.posted.seenBy
}

// stepped is the account of a post-handler that is called behind the instruction.
func (r *Registration) stepped(l Ledger) Ledger {
	seen := l.Handled
	l.Handled = 0
	for _, by := range r.followers() {
		l.Handled += by.last.Hits - by.last.Unarmed - by.last.Unpaired
		l.Full += by.last.Full
	}
	l.Unpaired = seen - min(seen, l.Handled)
	return l
}

// together refuses what one probe can't have at once.
func (p *Probe) together() error {
	if h := p.Post; h == nil || h.call != nil {
		return nil
	}
	switch {
	case p.Post.filter != "":
		return fmt.Errorf("%s: a Filter is for Pre: its probe's Post is called for what it lets pass", p.Place())
	case p.Pre != nil:
		return fmt.Errorf("%s: a Post that runs in the kernel has a probe of its own, without Pre", p.Place())
	}
	return nil
}
