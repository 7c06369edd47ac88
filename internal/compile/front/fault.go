package front

import (
	"slices"

	"ktrap/internal/diag"
)

// faults takes the fault handlers out of those that a probe calls: they are called
// by the handlers of their place or, if they name none, by all that have no other.
func (f *File) faults() {
	f.Handlers = slices.DeleteFunc(f.Handlers, func(h *Handler) bool {
		if h.Kind == Fault {
			f.Faults = append(f.Faults, h)
		}
		return h.Kind == Fault
	})
	called := map[*Handler]bool{}
	for _, h := range f.Handlers {
		for _, to := range f.Faults {
			if !to.Given && to.Place == h.Place || to.Given && h.Fault == nil {
				h.Fault = to
			}
		}
		called[h.Fault] = true
	}
	for _, h := range f.Faults {
		if !called[h] {
			f.Fail(h.Decl.Name, diag.HandlerName, "no handler's reads are "+h.Decl.Name.Name+"'s", "it is called by the handlers of its place; without one, by all that have no fault handler of theirs")
		}
	}
}
