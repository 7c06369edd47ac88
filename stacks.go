package ktrap

import (
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"ktrap/internal/object"
	"ktrap/internal/process"
	"ktrap/internal/stacks"
	"ktrap/internal/value"
)

// StackSample is a stack and how often it was met.
type StackSample = stacks.Sample

// traced replaces the number of a stack by its frames, innermost first. What the
// kernel did not keep is one frame that says why.
func (x *Script) traced(v Value, f object.Field) Value {
	switch f.Kind {
	case object.Struct:
		for i := range v.Fields {
			v.Fields[i] = x.traced(v.Fields[i], f.Fields[i])
		}
	case object.StackID:
		v.Kind, v.Fields = value.Array, x.frames(int64(v.Bits))
	}
	return v
}

func (x *Script) frames(id int64) (frames []Value) {
	note := func(text string) []Value { return []Value{{Kind: value.Enum, Text: text}} }
	switch {
	case id == -int64(unix.EFAULT): // a kernel thread has no stack of a process
		return nil
	case id == -int64(unix.EEXIST):
		return note("(not kept: another stack has its place)")
	case id < 0:
		return note(fmt.Sprintf("(not kept: %v)", unix.Errno(-id)))
	}
	i := slices.IndexFunc(x.unit.Maps, func(m object.Map) bool { return m.Kind == object.StackMap })
	data, err := x.maps[x.unit.Maps[i].Name].LookupBytes(uint32(id))
	if err != nil || data == nil {
		return note("(not kept)")
	}
	for ; len(data) >= 8 && le.Uint64(data) != 0; data = data[8:] {
		at := Value{Kind: value.Code, Bits: le.Uint64(data)}
		if name, ok := x.session.on.name(at.Bits); ok {
			at.Kind, at.Text = value.Enum, name
		}
		frames = append(frames, at)
	}
	return frames
}

// Stacks takes a table that was counted by stacks apart: for each entry the frames
// of all its stacks, the kernel's first, and a label for what else it was counted
// by. keys are what the entries' keys are. Where one is pid, frames of the process
// are named by the files that it has mapped now; gone are the processes that no
// longer run, whose frames stay addresses.
func (t Table) Stacks(keys []string) (samples []StackSample, gone []int) {
	open := map[int]*process.Process{}
	for _, e := range t.Entries {
		parts := []Value{e.Key}
		if len(keys) > 1 {
			parts = e.Key.Fields
		}
		s := StackSample{Count: e.Value.Bits}
		var of *process.Process
		if i := slices.Index(keys, "pid"); i >= 0 && i < len(parts) {
			pid := int(parts[i].Bits)
			if _, known := open[pid]; !known {
				var err error
				if open[pid], err = process.Open(pid); err != nil {
					gone = append(gone, pid)
				}
			}
			of = open[pid]
		}
		for i, part := range parts {
			if part.Kind != value.Array {
				part.Name = ""
				s.Labels = append(s.Labels, stacks.Label{Key: keys[i], Value: part.String()})
				continue
			}
			for _, f := range part.Fields {
				s.Frames = append(s.Frames, frameOf(f, of))
			}
		}
		samples = append(samples, s)
	}
	if t.Other != nil {
		samples = append(samples, StackSample{Count: t.Other.Value.Bits, Labels: []stacks.Label{{Key: keys[0], Value: "(other)"}}})
	}
	return samples, gone
}

func frameOf(f Value, of *process.Process) stacks.Frame {
	frame := stacks.Frame{Name: f.Text, Addr: f.Bits}
	if frame.Name == "" && of != nil {
		frame.Name, frame.Mapping = of.Find(f.Bits)
	}
	if frame.Name == "" {
		frame.Name = fmt.Sprintf("%#x", f.Bits)
	}
	return frame
}
