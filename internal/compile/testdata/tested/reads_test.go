package trap

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

type situation struct {
	Comm, Text string
	Pid, Tid   uint32
	Count      uint64
	Pos, From  int64
	Ino        uint64
	Mode       uint16
	Open       uint32
}

func TestReads(t *testing.T) {
	text, err := os.ReadFile("situations.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []situation
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		kt.comm, kt.pid, kt.tid = s.Comm, s.Pid, s.Tid
		f := &file{f_pos: s.Pos, f_open: s.Open, f_inode: &inode{i_ino: s.Ino, i_mode: s.Mode}}
		read(f, kt.chars(s.Text), s.Count, &s.From)
	}
	var out struct {
		Calls, Last, Emitted []string
		Sizes, Spans         []int64
		Total                uint64
		Open                 uint32
	}
	for k, v := range calls {
		out.Calls = append(out.Calls, fmt.Sprintf("[%q %d] [%d]", k.comm, k.kind, v))
	}
	for k, v := range last {
		out.Last = append(out.Last, fmt.Sprintf("[%d] [%d]", k, v))
	}
	slices.Sort(out.Calls)
	slices.Sort(out.Last)
	for _, values := range kt.emitted {
		out.Emitted = append(out.Emitted, fmt.Sprintf("[%d %d %q %d %q]", values...))
	}
	out.Sizes, out.Spans, out.Total, out.Open = sizes.values, spans.values, total, open
	text, err = json.Marshal(out)
	if err == nil {
		err = os.WriteFile("results.json", text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
}
