package btf

// Loaded tells what the verifier takes a load of size bytes at an offset of a struct
// for: a pointer to the struct to; if to is 0, a pointer to something else, or a number.
// ok is false where it refuses the load, or may.
//
// It is the kernel's btf_struct_walk: of the members of a union the first one that
// reaches there counts.
func (s *Spec) Loaded(id ID, offset, size uint32) (to ID, pointer, ok bool) {
	for range 32 { // structs within each other
		t, err := s.Strip(id)
		if err != nil || offset+size > t.Size {
			return 0, false, false
		}
		m, ok := s.reached(t.ID, offset, size)
		if !ok {
			return 0, false, false
		}
		if m.Bits != 0 {
			return 0, false, true
		}
		offset -= m.Offset / 8
		elem, each, ok := s.element(m.Type)
		if !ok {
			return 0, false, false
		}
		if offset%each+size > each && elem.Kind != Int && elem.Kind != Enum && elem.Kind != Enum64 {
			return 0, false, false
		}
		switch elem.Kind {
		case Struct, Union:
			id, offset = elem.ID, offset%each
			continue
		case Pointer:
			to, ok = s.pointee(elem, offset%each, size)
			return to, true, ok
		}
		return 0, false, true
	}
	return 0, false, false
}

// reached is the first member that a load is within.
func (s *Spec) reached(id ID, offset, size uint32) (Member, bool) {
	members, err := s.Members(id)
	if err != nil {
		return Member{}, false
	}
	for _, m := range members {
		at := m.Offset / 8
		if m.Bits != 0 {
			if offset <= at && (m.Offset+m.Bits+7)/8 <= offset+size {
				return m, true
			}
			continue
		}
		if offset < at {
			break
		}
		if n, err := s.Sizeof(m.Type); err == nil && offset < at+n {
			return m, offset+size <= at+n
		}
	}
	return Member{}, false
}

// element is what an array has, of however many dimensions, and its bytes; else the
// type itself. Kernels up to 6.1 find no struct in an array of what is only named one.
func (s *Spec) element(id ID) (t Type, size uint32, ok bool) {
	within := false // an array
	for range 8 {
		t, err := s.Strip(id)
		if err != nil {
			return t, 0, false
		}
		if t.Kind != Array {
			size, err = s.Sizeof(t.ID)
			return t, size, err == nil && size > 0 && (!within || t.ID == id || t.Kind != Struct && t.Kind != Union)
		}
		id, within = t.Elem, true
	}
	return t, 0, false
}

// pointee is the struct behind a pointer that is loaded whole; what is behind one with
// a tag the verifier does not let be read as it is.
func (s *Spec) pointee(p Type, offset, size uint32) (to ID, ok bool) {
	if offset != 0 || size != 8 {
		return 0, false
	}
	if tag, err := s.Type(p.Elem); err == nil && tag.Kind == TypeTag {
		return 0, false
	}
	if t, err := s.Strip(p.Elem); err == nil && (t.Kind == Struct || t.Kind == Union) {
		return t.ID, true
	}
	return 0, true
}
