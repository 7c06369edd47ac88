package compile_test

import (
	"encoding/binary"
	"testing"

	ebtf "github.com/cilium/ebpf/btf"

	"ktrap/internal/btf"
	"ktrap/internal/compile"
)

// TestAKernelTypeMayBeCalledLikeAWord has all the names that four kernels share with
// the words, with Go's keywords and with Go's own names of functions.
func TestAKernelTypeMayBeCalledLikeAWord(t *testing.T) {
	number := &ebtf.Int{Name: "unsigned int", Size: 4}
	var params []ebtf.FuncParam
	for _, name := range []string{"cgroup", "pid", "cpu", "stat", "range"} {
		to := &ebtf.Struct{Name: name, Size: 4, Members: []ebtf.Member{{Name: "level", Type: number}}}
		params = append(params, ebtf.FuncParam{Name: "a_" + name, Type: &ebtf.Pointer{Target: to}})
	}
	var b ebtf.Builder
	if _, err := b.Add(&ebtf.Func{Name: "attach", Type: &ebtf.FuncProto{Return: number, Params: params}}); err != nil {
		t.Fatal(err)
	}
	data, err := b.Marshal(nil, &ebtf.MarshalOptions{Order: binary.LittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	spec, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte(`package trap

type seen struct{ pid uint32 }

var calls map[seen]stat

//ktrap:pre attach
func at(a_cgroup *cgroup, a_pid *pid, a_cpu *cpu, a_stat *struct_stat, a_range *struct_range) {
	var c *cgroup = (*cgroup)(a_cgroup)
	calls[seen{pid()}].add(c.level + cast[pid](arg(0)).level)
	emit(cgroup(), cpu(), a_pid.level, a_cpu.level, a_stat.level, a_range.level)
}

//ktrap:ret attach
func underscored(a_range *_range) { emit(a_range.level) }
`)
	if _, errs := compile.Check(compile.Source{Name: "names.go", Text: text}, compile.Env{BTF: spec}); errs != nil {
		t.Error(errs.Render(func(string) []byte { return text }))
	}
}
