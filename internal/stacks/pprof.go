package stacks

import (
	"compress/gzip"
	"encoding/binary"
	"io"
	"time"
)

// WritePprof writes samples as the gzipped profile.proto that `go tool pprof`
// opens. began and took are those of the counting.
func WritePprof(w io.Writer, samples []Sample, began time.Time, took time.Duration) error {
	p := profile{texts: map[string]uint64{}, locations: map[Frame]uint64{}, functions: map[string]uint64{}, mappings: map[string]uint64{}}
	p.text("")
	hits, count := p.text("hits"), p.text("count")
	p.out.message(sampleType, func(m *message) { m.numbers(1, hits, 2, count) })
	for i := range samples {
		p.sample(&samples[i])
	}
	for _, s := range p.order {
		p.out.bytes(stringTable, []byte(s))
	}
	p.out.numbers(timeNanos, uint64(began.UnixNano()), durationNanos, uint64(took))
	z := gzip.NewWriter(w)
	if _, err := z.Write(p.out); err != nil {
		return err
	}
	return z.Close()
}

// Fields of the message Profile.
const (
	sampleType    = 1
	sampleField   = 2
	mappingField  = 3
	locationField = 4
	functionField = 5
	stringTable   = 6
	timeNanos     = 9
	durationNanos = 10
)

// A message is one of protocol buffers, encoded.
type message []byte

// numbers appends fields and their values, in pairs.
func (m *message) numbers(pairs ...uint64) {
	for i := 0; i < len(pairs); i += 2 {
		*m = binary.AppendUvarint(*m, pairs[i]<<3)
		*m = binary.AppendUvarint(*m, pairs[i+1])
	}
}

func (m *message) bytes(field uint64, b []byte) {
	*m = binary.AppendUvarint(*m, field<<3|2)
	*m = append(binary.AppendUvarint(*m, uint64(len(b))), b...)
}

func (m *message) message(field uint64, fill func(*message)) {
	var inner message
	fill(&inner)
	m.bytes(field, inner)
}

// profile is the outer message while it is made, and the numbers of what is in it.
type profile struct {
	out                 message
	texts               map[string]uint64
	order               []string
	locations           map[Frame]uint64
	functions, mappings map[string]uint64
}

func (p *profile) text(s string) uint64 {
	n, ok := p.texts[s]
	if !ok {
		n = uint64(len(p.order))
		p.texts[s] = n
		p.order = append(p.order, s)
	}
	return n
}

func (p *profile) sample(s *Sample) {
	var m message
	for _, f := range s.Frames {
		m.numbers(1, p.location(f))
	}
	m.numbers(2, s.Count)
	for _, l := range s.Labels {
		key, value := p.text(l.Key), p.text(l.Value)
		m.message(3, func(m *message) { m.numbers(1, key, 2, value) })
	}
	p.out.bytes(sampleField, m)
}

func (p *profile) location(f Frame) uint64 {
	id, ok := p.locations[f]
	if ok {
		return id
	}
	id = uint64(len(p.locations) + 1)
	p.locations[f] = id
	mapping, function := p.mapping(f.Mapping), p.function(f)
	p.out.message(locationField, func(m *message) {
		m.numbers(1, id, 2, mapping, 3, f.Addr)
		m.message(4, func(m *message) { m.numbers(1, function) })
	})
	return id
}

func (p *profile) function(f Frame) uint64 {
	key := f.Mapping + "\x00" + f.Func()
	id, ok := p.functions[key]
	if !ok {
		id = uint64(len(p.functions) + 1)
		p.functions[key] = id
		name := p.text(f.Func())
		p.out.message(functionField, func(m *message) { m.numbers(1, id, 2, name, 3, name) })
	}
	return id
}

// mapping says of which file code is. It claims to have names already, so that
// pprof does not look for them in files of this machine.
func (p *profile) mapping(file string) uint64 {
	if file == "" {
		file = "[kernel]"
	}
	id, ok := p.mappings[file]
	if !ok {
		id = uint64(len(p.mappings) + 1)
		p.mappings[file] = id
		name := p.text(file)
		p.out.message(mappingField, func(m *message) { m.numbers(1, id, 3, ^uint64(0), 5, name, 7, 1) })
	}
	return id
}
