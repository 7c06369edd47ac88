package arch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestArgumentsArePlacedByTheCallingConvention(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
		want  []Loc
	}{
		{"integers fill registers in order", []int{8, 4, 1}, []Loc{{Words: 1, Reg: 0}, {Words: 1, Reg: 1}, {Words: 1, Reg: 2}}},
		{"the seventh goes to the stack", []int{8, 8, 8, 8, 8, 8, 8, 4},
			[]Loc{{Words: 1, Reg: 0}, {Words: 1, Reg: 1}, {Words: 1, Reg: 2}, {Words: 1, Reg: 3}, {Words: 1, Reg: 4}, {Words: 1, Reg: 5}, {Words: 1, Reg: OnStack}, {Words: 1, Reg: OnStack, Stack: 8}}},
		{"a struct of 16 bytes takes two registers", []int{8, 16, 8}, []Loc{{Words: 1, Reg: 0}, {Words: 2, Reg: 1}, {Words: 1, Reg: 3}}},
		{"a struct never straddles registers and stack, and what follows may still use the last register",
			[]int{8, 8, 8, 8, 8, 16, 8},
			[]Loc{{Words: 1, Reg: 0}, {Words: 1, Reg: 1}, {Words: 1, Reg: 2}, {Words: 1, Reg: 3}, {Words: 1, Reg: 4}, {Words: 2, Reg: OnStack}, {Words: 1, Reg: 5}}},
		{"a large struct is on the stack", []int{24, 8}, []Loc{{Words: 3, Reg: OnStack}, {Words: 1, Reg: 0}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, AMD64.Place(c.sizes)); diff != "" {
				t.Errorf("Place(%v), -want +got:\n%s", c.sizes, diff)
			}
		})
	}
}

func TestRegisterRolesNameTheRegistersOfTheABI(t *testing.T) {
	a := AMD64
	var args []string
	for _, i := range a.Args {
		args = append(args, a.Regs[i].Name)
	}
	if diff := cmp.Diff([]string{"di", "si", "dx", "cx", "r8", "r9"}, args); diff != "" {
		t.Error(diff)
	}
	if a.Regs[a.Rets[0]].Name != "ax" || a.Regs[a.Rets[1]].Name != "dx" || a.Regs[a.IP].Name != "ip" || a.Regs[a.SP].Name != "sp" {
		t.Errorf("ret, ip, sp are %v, %s, %s", a.Rets, a.Regs[a.IP].Name, a.Regs[a.SP].Name)
	}
}
