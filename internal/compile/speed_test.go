package compile_test

import (
	"fmt"
	"strings"
	"testing"

	"ktrap/internal/compile"
	"ktrap/internal/object"
)

// BenchmarkCompile shows that the time grows as the file does: ns/line is what to
// compare.
func BenchmarkCompile(b *testing.B) {
	for _, lines := range []int{100, 1000, 10_000} {
		for name, text := range map[string]string{
			"straight": handlerOf(lines, "\tx += y*%d + a[%[1]d%%8]\n"),
			"branches": handlerOf(lines/3, "\tif x > %d {\n\t\ty ^= x\n\t}\n"),
			"maps":     handlerOf(lines/10, "\tm[key{x, uint8(y)}] += %d\n"),
			"loops":    handlerOf(lines/3, "\tfor i := 0; i < %d%%7+2; i++ {\n\t\tx += a[i%%8]\n\t}\n"),
		} {
			b.Run(fmt.Sprintf("%s/%d", name, lines), func(b *testing.B) {
				for b.Loop() {
					u, errs := compile.Check(compile.Source{Name: "long.go", Text: []byte(text)}, compile.Env{})
					if errs != nil {
						b.Fatal(errs)
					}
					if _, err := u.Handlers[0].Emit(compile.Target{Context: object.Kprobe, Bare: true}); err != nil {
						b.Log(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
			})
		}
	}
}

// handlerOf is a handler with a statement over and over.
func handlerOf(times int, statement string) string {
	var t strings.Builder
	t.WriteString("package trap\n\ntype key struct {\n\tx uint64\n\ty uint8\n}\n\nvar a [8]uint64\nvar m map[key]uint64\n\n//ktrap:pre f\nfunc f() {\n\tvar x, y uint64\n\tx, y = a[0], a[1]\n")
	for i := range times {
		fmt.Fprintf(&t, statement, i)
	}
	t.WriteString("\ta[0], a[1] = x, y\n\tm[key{x, 1}]++\n}\n")
	return t.String()
}
