package front

import (
	"go/ast"
	"go/constant"
	"os"
	"testing"

	"ktrap/internal/btf"
)

func TestAStructOfTheKernelHasTheKernelsSize(t *testing.T) {
	data, err := os.ReadFile("/sys/kernel/btf/vmlinux")
	if err != nil {
		t.Skipf("needs btf: %v", err)
	}
	spec, err := btf.Parse(data, nil)
	if err != nil {
		t.Fatal(err)
	}
	const text = `package trap

import "unsafe"

func pre() {
	t := current()
	emit(unsafe.Sizeof(*t), unsafe.Offsetof(t.comm), unsafe.Sizeof([3]task_struct{}))
}
`
	f, errs := Check(Source{Name: "sizes.go", Text: []byte(text)}, Env{BTF: spec})
	if f == nil {
		t.Fatal(errs)
	}
	id := spec.Types("task_struct", btf.Struct)[0]
	size, _ := spec.Sizeof(id)
	members, _ := spec.Members(id)
	comm := uint32(0)
	for _, m := range members {
		if m.Name == "comm" {
			comm = m.Offset / 8
		}
	}
	want := []int64{int64(size), int64(comm), 3 * int64(size)}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || f.Info.Types[call].Value == nil || len(want) == 0 {
			return true
		}
		if got, _ := constant.Int64Val(f.Info.Types[call].Value); got != want[0] {
			t.Errorf("%s: got %d, want %d", text[call.Pos()-f.Syntax.FileStart:call.End()-f.Syntax.FileStart], got, want[0])
		}
		want = want[1:]
		return true
	})
	if len(want) > 0 {
		t.Errorf("%d sizes are no constants", len(want))
	}
}
