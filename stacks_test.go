package ktrap

import (
	"os"
	"reflect"
	"slices"
	"testing"

	"ktrap/internal/value"
)

// A frame of this process has the same name in a sample and in the table itself.
func TestFramesOfAProcessAreNamedInATableAsInItsSamples(t *testing.T) {
	at := uint64(reflect.ValueOf(TestFramesOfAProcessAreNamedInATableAsInItsSamples).Pointer())
	keys := []string{"kstack", "ustack", "pid"}
	entry := func(pid int) Entry {
		return Entry{Value: Value{Kind: value.Uint, Bits: 1}, Key: Value{Kind: value.Struct, Fields: []Value{
			{Kind: value.Array, Fields: []Value{{Kind: value.Enum, Text: "vfs_read+0x5"}}},
			{Kind: value.Array, Fields: []Value{{Kind: value.Code, Bits: at}}},
			{Kind: value.Uint, Bits: uint64(pid)},
		}}}
	}
	const nobody = 1 << 30
	table := Table{Entries: []Entry{entry(os.Getpid()), entry(nobody)}}
	samples, gone := table.Stacks(keys)
	named := table
	if got := named.NameFrames(keys); !slices.Equal(got, gone) || !slices.Equal(got, []int{nobody}) {
		t.Errorf("%v and %v are gone, want %d", got, gone, nobody)
	}
	frame := samples[0].Frames[1]
	fields := named.Entries[0].Key.Fields
	if got, want := fields[1].Fields[0].Text, frame.Name+" ("+frame.Mapping+")"; got != want {
		t.Errorf("the frame is %q, want %q", got, want)
	}
	if got := fields[0].Fields[0].Text; got != "vfs_read+0x5" {
		t.Errorf("the kernel's frame is %q", got)
	}
	if was := table.Entries[0].Key.Fields[1].Fields[0]; was.Kind != value.Code {
		t.Errorf("the table that was copied has %v", was)
	}
}
