package dwarfline

import "fmt"

// Forms that the tables of a line program's header may have in DWARF 5.
const (
	formBlock2 = 0x03
	formBlock4 = 0x04
	formData2  = 0x05
	formData4  = 0x06
	formData8  = 0x07
	formString = 0x08
	formBlock  = 0x09
	formBlock1 = 0x0a
	formData1  = 0x0b
	formStrp   = 0x0e
	formUdata  = 0x0f
	formData16 = 0x1e
	formLine   = 0x1f // an offset in .debug_line_str
)

// checkLineHeader looks whether the tables of a line program's header hold as
// many entries as they say: debug/dwarf (1.26) makes room for that many before it
// reads the first, and a number is enough to use up the memory. The older
// headers have no such numbers.
func (f *File) checkLineHeader(at int64) error {
	section := f.sections[".debug_line"]
	if at < 0 || at > int64(len(section)) {
		return fmt.Errorf("line program at %#x: %w", at, errCut)
	}
	r := reader{data: section[at:], order: f.order}
	_, wide := r.length()
	if r.uint(2) < 5 {
		return nil
	}
	r.bytes(2)                     // sizes of an address and a segment
	r.uint(wide)                   // the header's length
	r.bytes(5)                     // how lines and addresses advance
	r.bytes(max(r.uint(1), 1) - 1) // opcodes' lengths
	for _, table := range []string{"folders", "files"} {
		if !r.skipTable(wide) {
			return fmt.Errorf("line program at %#x, its %s: %w", at, table, errCut)
		}
	}
	return nil
}

// skipTable skips a description of entries, their number and them.
func (r *reader) skipTable(wide int) bool {
	forms := make([]uint64, r.uint(1))
	for i := range forms {
		r.uleb() // what it means
		forms[i] = r.uleb()
	}
	for left := r.uleb(); left > 0; left-- {
		before := len(r.data)
		for _, form := range forms {
			r.skipForm(form, wide)
		}
		if r.cut || len(r.data) == before {
			return false
		}
	}
	return !r.cut
}

func (r *reader) skipForm(form uint64, wide int) {
	switch form {
	case formString:
		for r.uint(1) != 0 {
		}
	case formLine, formStrp:
		r.uint(wide)
	case formUdata:
		r.uleb()
	case formData1, formData2, formData4, formData8, formData16:
		r.bytes(map[uint64]uint64{formData1: 1, formData2: 2, formData4: 4, formData8: 8, formData16: 16}[form])
	case formBlock:
		r.bytes(r.uleb())
	case formBlock1, formBlock2, formBlock4:
		r.bytes(r.uint(map[uint64]int{formBlock1: 1, formBlock2: 2, formBlock4: 4}[form]))
	default:
		r.cut = true
	}
}
