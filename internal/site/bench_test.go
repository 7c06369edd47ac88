package site

import (
	"strings"
	"testing"
)

// BenchmarkSurvey marks a function of 400 instructions, as unix_stream_connect is.
func BenchmarkSurvey(b *testing.B) {
	q := ask(b, strings.Repeat("4889e5 e800000000 8b4718 7505 c3", 80), 0, able)
	for b.Loop() {
		Survey(q)
	}
}
