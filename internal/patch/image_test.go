//go:build vm

package patch_test

import (
	"bytes"
	"regexp"
	"slices"
	"testing"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
	"ktrap/lab"
	"ktrap/symbols"
)

// TestAnImagesTablesPointAtWhatTheySay reads the tables of each kernel that is
// here, and looks at every entry's code.
func TestAnImagesTablesPointAtWhatTheySay(t *testing.T) {
	kernels, err := lab.Cached()
	if err != nil {
		t.Fatal(err)
	}
	if len(kernels) == 0 {
		t.Skip("needs kernels: ktrap lab --fetch gets them")
	}
	for _, k := range kernels {
		t.Run(k.Release, func(t *testing.T) {
			image, err := symbols.OpenImage(k.Image, symbols.ImageOptions{NoIndex: true})
			if err != nil {
				t.Fatal(err)
			}
			defer image.Close()
			table, err := image.Patches()
			if err != nil {
				t.Error(err)
			}
			for _, kind := range patch.Kinds() {
				lookAt(t, image, table, kind, image.Arch())
			}
			t.Logf("%d bytes", len(table.Encode()))
		})
	}
}

// lookAt fails if more than one in a hundred entries has code of another kind.
func lookAt(t *testing.T, image *symbols.Image, table *patch.Table, kind patch.Kind, arch string) {
	wrong := 0
	for e := range table.All(kind) {
		if arch == "amd64" && !rightCode(image, e) {
			if wrong++; wrong == 1 {
				code, _ := image.Code(e.Addr, 8)
				t.Logf("the first %s with other code: %+v % x", kind, e, code)
			}
		}
	}
	t.Logf("%-17s %6d, found %t, with other code %d", kind, table.Len(kind), table.Has(kind), wrong)
	if wrong*100 > table.Len(kind) {
		t.Errorf("%d of %d %ss have other code", wrong, table.Len(kind), kind)
	}
}

var fileName = regexp.MustCompile(`^[\w./+-]+\.[ch]\x00`)

func rightCode(image *symbols.Image, e patch.Entry) bool {
	code, err := image.Code(e.Addr, disasm.MaxLength)
	if err != nil {
		return false
	}
	n, err := disasm.Length(code)
	if err != nil {
		return false
	}
	code = code[:n]
	begins := func(opcodes ...string) bool {
		return slices.ContainsFunc(opcodes, func(o string) bool { return bytes.HasPrefix(code, []byte(o)) })
	}
	jcc := code[0] == 0x0f && code[1]>>4 == 8
	switch e.Kind {
	case patch.Ftrace:
		return begins("\xe8", "\x0f\x1f\x44\x00\x00")
	case patch.JumpLabel: // a jump, or the nop of its length
		return n == e.Size && begins("\xeb", "\xe9", "\x66\x90", "\x0f\x1f\x44\x00\x00", "\x3e\x8d\x74\x26\x00")
	case patch.StaticCall:
		return begins("\xe8", "\xe9", "\x0f\x1f\x44\x00\x00") || jcc
	case patch.Bug:
		name := make([]byte, 100)
		_ = image.ReadMem(name, e.Ref) // zeros are no name
		// A WARN with a text of its own calls for it, in 7.3; an instruction that
		// prepares that is in the table then.
		trap := bytes.HasSuffix(code, []byte("\x0f\x0b")) || bytes.Contains(code, []byte("\x0f\xb9"))
		return (trap || e.Flag) && fileName.Match(name)
	case patch.Retpoline:
		return begins("\xe8", "\xe9", "\x2e\xe8", "\x2e\xe9") || jcc
	case patch.Return:
		return begins("\xe9", "\xc3", "\xe8") || jcc
	case patch.CallSite:
		return begins("\xe8", "\x2e\xe8", "\xe9")
	case patch.Endbr:
		return begins("\xf3\x0f\x1e\xfa")
	case patch.Lock:
		return begins("\xf0")
	case patch.Alternative:
		return e.Size > 0
	}
	return true
}
