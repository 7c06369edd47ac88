package render

import (
	"encoding/json"
	"fmt"
	"strings"

	"ktrap"
)

// AppendPlan appends p for people.
func AppendPlan(dst []byte, p *ktrap.Plan) []byte {
	for _, s := range p.Steps {
		dst = fmt.Appendf(dst, "%s, about %d instructions a hit: %s\n", s.Mechanism, s.Cost, s.Reason)
		for i, place := range s.Places {
			dst = fmt.Appendf(dst, "    %#x %s", s.Addrs[i], place)
			if s.Untyped[i] != "" {
				dst = fmt.Appendf(dst, " (untyped: %s)", s.Untyped[i])
			}
			dst = append(dst, '\n')
		}
	}
	for _, s := range p.Skipped {
		dst = fmt.Appendf(dst, "left out %s: %v\n", s.Probe.Place(), s.Err)
	}
	return dst
}

// planJSON is a plan as JSON.
type planJSON struct {
	Kind    string        `json:"kind"` // "plan"
	Steps   []stepJSON    `json:"steps"`
	LeftOut []skippedJSON `json:"left_out,omitempty"`
}

type stepJSON struct {
	Mechanism string      `json:"mechanism"`
	Reason    string      `json:"reason"`
	Cost      int         `json:"instructions_per_hit"`
	Places    []placeJSON `json:"places"`
}

type placeJSON struct {
	Place   string `json:"place"`
	Addr    string `json:"addr"`
	Untyped string `json:"untyped,omitempty"`
}

type skippedJSON struct {
	Place string `json:"place"`
	Why   string `json:"why"`
}

// AppendPlanJSON appends p as one JSON object.
func AppendPlanJSON(dst []byte, p *ktrap.Plan) []byte {
	out := planJSON{Kind: "plan"}
	for _, s := range p.Steps {
		step := stepJSON{Mechanism: s.Mechanism, Reason: s.Reason, Cost: s.Cost}
		for i, place := range s.Places {
			step.Places = append(step.Places, placeJSON{place, fmt.Sprintf("%#x", s.Addrs[i]), s.Untyped[i]})
		}
		out.Steps = append(out.Steps, step)
	}
	for _, s := range p.Skipped {
		out.LeftOut = append(out.LeftOut, skippedJSON{s.Probe.Place(), s.Err.Error()})
	}
	text, err := json.Marshal(out)
	if err != nil {
		panic("ktrap bug: " + err.Error()) // plain data always marshals
	}
	return append(dst, text...)
}

// namedAtMost is how many left-out places are named for each reason, unless all
// are asked for.
const namedAtMost = 6

// AppendNotes appends what a user should know of how probes were attached:
// whose arguments have no types, and what was left out, by reason.
func (p Palette) AppendNotes(dst []byte, regs []*ktrap.Registration, skipped []ktrap.Skipped, all bool) []byte {
	var untyped, leftOut reasons
	for _, r := range regs {
		if why := r.Untyped(); why != "" {
			untyped.add(r.Place(), why)
		}
	}
	for _, s := range skipped {
		leftOut.add(s.Probe.Place(), s.Err.Error())
	}
	dst = untyped.append(dst, "arguments are shown as registers of ", all)
	return leftOut.append(dst, "left out ", all)
}

// reasons are places by the reason that is given for them, which may begin with
// the place itself.
type reasons struct {
	order  []string
	places map[string][]string
}

func (r *reasons) add(place, why string) {
	why = strings.TrimLeft(strings.TrimPrefix(why, place), ": ")
	if r.places == nil {
		r.places = map[string][]string{}
	}
	if r.places[why] == nil {
		r.order = append(r.order, why)
	}
	r.places[why] = append(r.places[why], place)
}

// append appends a line for each reason.
func (r *reasons) append(dst []byte, what string, all bool) []byte {
	for _, why := range r.order {
		named, rest := r.places[why], ""
		if n := len(named) - namedAtMost; n > 0 && !all {
			named, rest = named[:namedAtMost], fmt.Sprintf(" and %d more", n)
		}
		dst = fmt.Appendf(dst, "%s%s%s: %s\n", what, strings.Join(named, ", "), rest, why)
	}
	return dst
}
