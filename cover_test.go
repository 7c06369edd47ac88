package ktrap

import (
	"go/constant"
	"go/token"
	gotypes "go/types"
	"strconv"
	"strings"
	"testing"
)

// flags are those that jumps go by.
type flags struct{ carry, parity, zero, sign, overflow bool }

// jumps are the conditional jumps in the order of their numbers, as Intel's manual has
// them: each is followed by its contrary.
var jumps = []struct {
	name  string
	taken func(f flags) bool
}{
	{"jo", func(f flags) bool { return f.overflow }}, {"jno", func(f flags) bool { return !f.overflow }},
	{"jb", func(f flags) bool { return f.carry }}, {"jae", func(f flags) bool { return !f.carry }},
	{"je", func(f flags) bool { return f.zero }}, {"jne", func(f flags) bool { return !f.zero }},
	{"jbe", func(f flags) bool { return f.carry || f.zero }}, {"ja", func(f flags) bool { return !f.carry && !f.zero }},
	{"js", func(f flags) bool { return f.sign }}, {"jns", func(f flags) bool { return !f.sign }},
	{"jp", func(f flags) bool { return f.parity }}, {"jnp", func(f flags) bool { return !f.parity }},
	{"jl", func(f flags) bool { return f.sign != f.overflow }}, {"jge", func(f flags) bool { return f.sign == f.overflow }},
	{"jle", func(f flags) bool { return f.zero || f.sign != f.overflow }}, {"jg", func(f flags) bool { return !f.zero && f.sign == f.overflow }},
}

func TestAJumpIsCountedByTheFlagsThatItGoesBy(t *testing.T) {
	for n, jump := range jumps {
		for _, code := range [][]byte{{0x70 | byte(n), 0}, {0x0f, 0x80 | byte(n), 0, 0, 0, 0}} {
			d := &Disassembly{Arch: "amd64", Lines: []Line{{Bytes: code, Mark: MarkInt3}}, Blocks: []Block{{End: 1, Succ: []Edge{{Kind: "taken"}}}}}
			cond := d.taken(0)
			for bits := range uint64(1 << 12) {
				f := flags{bits&1 != 0, bits&4 != 0, bits&0x40 != 0, bits&0x80 != 0, bits&0x800 != 0}
				if bits&^0x8c5 != 0 {
					continue
				}
				if got, want := holds(t, cond, bits), jump.taken(f); got != want {
					t.Errorf("%s with flags %#x: %s is %t, want %t", jump.name, bits, cond, got, want)
				}
			}
		}
	}
}

// holds evaluates a condition on the flags as Go does.
func holds(t *testing.T, cond string, bits uint64) bool {
	t.Helper()
	text := strings.ReplaceAll(cond, "r.flags", strconv.FormatUint(bits, 10))
	v, err := gotypes.Eval(token.NewFileSet(), nil, token.NoPos, text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return constant.BoolVal(v.Value)
}
