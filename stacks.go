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
	all := processes{}
	for _, e := range t.Entries {
		parts := partsOf(e.Key, keys)
		s, of := StackSample{Count: e.Value.Bits}, all.of(parts, keys)
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
	return samples, all.gone()
}

// NameFrames names a table's frames of processes, as Stacks does: each is its name,
// and in brackets the file that it is of.
func (t *Table) NameFrames(keys []string) (gone []int) {
	all := processes{}
	t.Entries = slices.Clone(t.Entries)
	for i := range t.Entries {
		key := &t.Entries[i].Key
		of := all.of(partsOf(*key, keys), keys)
		if of == nil { // so is it where the stack is the whole key
			continue
		}
		key.Fields = slices.Clone(key.Fields)
		for j, part := range key.Fields {
			if part.Kind == value.Array {
				key.Fields[j].Fields = nameAll(part.Fields, of)
			}
		}
	}
	return all.gone()
}

// nameAll are frames with the names that a process has for those without one.
func nameAll(frames []Value, of *process.Process) []Value {
	frames = slices.Clone(frames)
	for i := range frames {
		f := frameOf(frames[i], of)
		if f.Mapping != "" {
			f.Name += " (" + f.Mapping + ")"
		}
		frames[i].Kind, frames[i].Text = value.Enum, f.Name
	}
	return frames
}

// partsOf are what a key is made of, in their places.
func partsOf(key Value, keys []string) []Value {
	if len(keys) > 1 {
		return key.Fields
	}
	return []Value{key}
}

// processes are those that were asked for, nil where one is gone.
type processes map[int]*process.Process

// of is the process that is one of the parts of a key; nil if none is, or it is gone.
func (all processes) of(parts []Value, keys []string) *process.Process {
	i := slices.Index(keys, "pid")
	if i < 0 || i >= len(parts) {
		return nil
	}
	pid := int(parts[i].Bits)
	if _, known := all[pid]; !known {
		all[pid], _ = process.Open(pid) // it fails if the process is gone
	}
	return all[pid]
}

func (all processes) gone() (pids []int) {
	for pid, p := range all {
		if p == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
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
