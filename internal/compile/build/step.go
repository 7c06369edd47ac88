package build

import (
	"slices"

	"ktrap/internal/compile/front"
	"ktrap/internal/compile/lower"
	"ktrap/internal/object"
)

// Steps is the name of the map of instructions that have begun, for post handlers:
// see lower's Site.
const Steps = "ktrap.steps"

// running is how many instructions may have begun whose outcome is awaited. What
// finds no room is not paired, and so counted.
const running = 16384

func (s *Shared) steps() {
	if slices.ContainsFunc(s.Handlers, func(h *front.Handler) bool { return h.Kind == front.Post }) {
		s.Maps = append(s.Maps, object.Map{
			Name: Steps, Kind: object.HashMap, KeySize: lower.StepKey, ValueSize: lower.StepSize, Entries: running, Hidden: true,
		})
	}
}
