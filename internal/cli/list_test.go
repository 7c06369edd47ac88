package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap"
)

const listedJSON = `{"probes": [
	{"kind": "kprobe", "place": "vfs_read+0x12", "addr": "0xffffffff819b65a2", "state": {"optimized": true},
	 "event": {"name": "mine/c", "enabled": true, "counts": {"hits": 3020, "missed": 2}}},
	{"kind": "kretprobe", "place": "vfs_write%return", "addr": "0xffffffff819b6e34", "state": {"disabled": true, "ftrace": true},
	 "event": {"name": "mine/b", "enabled": false, "orphan": true}},
	{"kind": "kprobe", "place": "vfs_fstat", "addr": "0xffffffff819c0984", "state": {"ftrace": true},
	 "program": {"id": 7, "name": "prog", "link": 1, "missed": 5, "owners": [{"pid": 9, "comm": "b"}, {"pid": 8, "comm": "a"}, {"pid": 9, "comm": "b"}]}},
	{"kind": "kprobe", "place": "vfs_open", "addr": "0xffffffff819c0990"},
	{"kind": "kprobe.multi", "functions": ["a", "b", "c", "d", "e"], "program": {"id": 3, "name": "multi"}},
	{"kind": "fentry", "one_of": ["x", "y"], "program": {"id": 4, "name": "ent", "owners": [{"pid": 8, "comm": "a"}]}},
	{"kind": "fprobe", "place": "vfs_fsync%return", "event": {"name": "fp/y", "enabled": false}},
	{"kind": "ftrace", "functions": ["z"], "callback": "function_trace_call"}
]}`

func TestAListingTellsWhoHasEachProbe(t *testing.T) {
	var listing ktrap.Listing
	if err := json.Unmarshal([]byte(listedJSON), &listing); err != nil {
		t.Fatal(err)
	}
	want := `ADDRESS             PLACE             KIND          STATE            BY
0xffffffff819b65a2  vfs_read+0x12     kprobe        optimized        event mine/c, 3020 hits, 2 missed
0xffffffff819b6e34  vfs_write%return  kretprobe     disabled,ftrace  event mine/b, left over: nobody uses it
0xffffffff819c0984  vfs_fstat         kprobe        ftrace           program prog (7), 5 missed of a[8], b[9]
0xffffffff819c0990  vfs_open          kprobe        -                a kernel module, or perf
-                   a,b,c and 2 more  kprobe.multi  -                program multi (3), held by no process: pinned
-                   one of x,y        fentry        -                program ent (4) of a[8]
-                   vfs_fsync%return  fprobe        -                event fp/y, not enabled
-                   z                 ftrace        -                calls function_trace_call
`
	var got strings.Builder
	if err := printListing(&got, &listing); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestAnEmptyListingSaysSo(t *testing.T) {
	var got strings.Builder
	if err := printListing(&got, &ktrap.Listing{}); err != nil || got.String() != "no probes\n" {
		t.Errorf("got %q, %v", got.String(), err)
	}
}
