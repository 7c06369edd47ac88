package btf

import "fmt"

// A Proto is how a function is called.
type Proto struct {
	Params   []Param
	Return   ID
	Variadic bool
}

// A Param is one parameter, with what is needed to tell where the calling
// convention puts it: an integer, enum or pointer takes a register, a Struct or
// Union passed by value takes registers or memory by its size, a Float takes
// none of those registers.
type Param struct {
	Name string // arg0, arg1 … where the kernel's source names none
	Type ID
	Kind Kind   // of the type stripped of its aliases
	Size uint32 // bytes
}

// Proto describes a function, by the ID of the function or of its prototype.
func (s *Spec) Proto(id ID) (Proto, error) {
	r, err := s.record(id)
	if err == nil && r.kind() == Func {
		id = r.ref()
	}
	if err == nil {
		r, err = s.shape(id, FuncProto, FuncProto)
	}
	if err != nil {
		return Proto{}, fmt.Errorf("prototype of type %d: %w", id, err)
	}
	p := Proto{Return: r.ref(), Params: make([]Param, r.vlen())}
	for i := range p.Params {
		if p.Params[i], err = s.param(r, i); err != nil {
			return Proto{}, fmt.Errorf("parameter %d of %s: %w", i, s.TypeString(id), err)
		}
	}
	// A last parameter without name and type stands for "...".
	if n := len(p.Params); n > 0 && p.Params[n-1].Kind == Void {
		p.Params, p.Variadic = p.Params[:n-1], true
	}
	return p, nil
}

func (s *Spec) param(r record, i int) (p Param, err error) {
	e := r.elem(i, 8)
	p.Type = ID(le.Uint32(e[4:]))
	if p.Name, err = s.name(le.Uint32(e)); err != nil {
		return p, err
	}
	if p.Name == "" {
		p.Name = fmt.Sprintf("arg%d", i)
	}
	t, err := s.Strip(p.Type)
	if err != nil {
		return p, err
	}
	if p.Kind = t.Kind; p.Kind == Void && i == r.vlen()-1 {
		return p, nil
	}
	p.Size, err = s.Sizeof(p.Type)
	return p, err
}

// CharPointer reports whether the type is a pointer to what C takes for text:
// char, not signed char or u8.
func (s *Spec) CharPointer(id ID) bool {
	p, err := s.Strip(id)
	if err != nil || p.Kind != Pointer {
		return false
	}
	t, err := s.Strip(p.Elem)
	return err == nil && t.Char()
}

// Char reports whether the type is C's char.
func (t Type) Char() bool { return t.Kind == Int && t.Size == 1 && t.Name == "char" }
