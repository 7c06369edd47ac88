package disasm

import (
	"slices"
	"testing"
)

// BenchmarkText writes a function of 48 bytes in words; of BenchmarkGraph it is
// the control flow.
func BenchmarkText(b *testing.B) {
	insts := slices.Collect(Walk(0xffffffff810dfd50, fromHex(b, umask)))
	b.ReportAllocs()
	for b.Loop() {
		Context{}.Texts(insts)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(insts)), "ns/inst")
}

func BenchmarkGraph(b *testing.B) {
	code := &Code{Insts: slices.Collect(Walk(0xffffffff810dfd50, fromHex(b, umask)))}
	for b.Loop() {
		code.Graph()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(code.Insts)), "ns/inst")
}
