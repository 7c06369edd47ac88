package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/compile"
	"ktrap/internal/interp"
	"ktrap/internal/object"
)

// kernels is on how many made-up kernels a pair runs; on each, some times.
const (
	kernels = 60
	hits    = 6
)

// same is nil if two sets of programs leave the same maps and records, and all of
// these hold something somewhere.
func (f *form) same(u *compile.Unit, ours, theirs map[string]asm.Instructions) error {
	most := map[string]int{}
	for seed := range uint64(kernels) {
		a, err := f.leaves(u, ours, seed)
		if err != nil {
			return fmt.Errorf("ktrap's on made-up kernel %d: %w", seed, err)
		}
		b, err := f.leaves(u, theirs, seed)
		if err != nil {
			return fmt.Errorf("clang's on made-up kernel %d: %w", seed, err)
		}
		for name := range a {
			most[name] = max(most[name], len(a[name]))
			if !slices.EqualFunc(a[name], b[name], bytes.Equal) {
				return fmt.Errorf("%s differs on made-up kernel %d:\nktrap %x\nclang %x", name, seed, a[name], b[name])
			}
		}
	}
	for _, m := range u.Maps {
		if most[m.Name] == 0 && !m.Hidden {
			return fmt.Errorf("%s stays empty on all made-up kernels", m.Name)
		}
	}
	return nil
}

// leaves runs programs on one made-up kernel, and returns what maps and the ring
// hold in the end.
func (f *form) leaves(u *compile.Unit, programs map[string]asm.Instructions, seed uint64) (map[string][][]byte, error) {
	kinds := map[object.MapKind]interp.MapKind{
		object.ArrayMap: interp.Array, object.HashMap: interp.Hash, object.PerCPUArray: interp.PerCPUArray, object.PerCPUHash: interp.PerCPUHash,
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	all := map[string]*interp.Map{object.Ring: {Kind: interp.Ring, MaxEntries: 1 << (9 + rng.IntN(6))}}
	for _, m := range u.Maps {
		all[m.Name] = &interp.Map{Kind: kinds[m.Kind], KeySize: m.KeySize, ValueSize: m.ValueSize, MaxEntries: min(m.Entries, 2+rng.IntN(20))}
		if m.Shape == object.Hist {
			all[m.Name].MaxEntries = m.Entries
		}
	}
	if err := all[object.Vars].Update(make([]byte, 4), variables(u.Maps[0], rng), 0); err != nil {
		return nil, err
	}
	for range hits {
		env := f.madeUp(rng)
		for _, h := range u.Handlers {
			if len(u.Handlers) > 1 && rng.IntN(4) == 0 {
				continue // an entry whose return is missed, or a return whose entry was
			}
			p, err := interp.Load(programs[h.Name], all)
			if err != nil {
				return nil, err
			}
			if _, err := p.Run(env); err != nil {
				return nil, err
			}
		}
	}
	left := map[string][][]byte{object.Ring: all[object.Ring].Records()}
	for _, m := range u.Maps {
		for cpu := range uint32(interp.MaxCPUs) {
			values := maps.Collect(textKeys(all[m.Name], cpu))
			for _, key := range slices.Sorted(maps.Keys(values)) {
				left[m.Name] = append(left[m.Name], []byte(key), values[key])
			}
		}
	}
	return left, nil
}

func textKeys(m *interp.Map, cpu uint32) func(func(string, []byte) bool) {
	return func(yield func(string, []byte) bool) {
		for k, v := range m.All(cpu) {
			if !yield(string(k), slices.Clone(v)) {
				return
			}
		}
	}
}

// variables are the file's, with made-up values; what is hidden begins as zero.
func variables(m object.Map, rng *rand.Rand) []byte {
	data := slices.Clone(m.Init)
	for _, f := range m.Fields {
		for at := f.Offset; at < f.Offset+f.Size; at++ {
			data[at] = 0
			if rng.IntN(3) == 0 && f.Kind != object.Struct {
				data[at] = byte(rng.Uint32())
			}
		}
	}
	return data
}

// programNames are of the made-up threads and files.
var programNames = []string{"bash", "systemd-journal", "sh", "bashful", "syslog", "auth.log", "history", "auth.log.1"}

// madeUp is a kernel in which every address can be read and holds what chance would
// have, the same for the same address; a file's name often one of programNames.
func (f *form) madeUp(rng *rand.Rand) interp.Env {
	salt := rng.Uint64()
	words := make([]uint64, 21) // as many as struct pt_regs has
	for i := range words {
		words[i] = someWord(rng)
	}
	env := interp.Env{
		Memory: func(addr uint64, p []byte) bool { memory(salt, addr, p); return true },
		Time:   rng.Uint64N(1 << 40), PidTgid: rng.Uint64(), UIDGID: rng.Uint64N(8), Comm: programNames[rng.IntN(len(programNames))],
		CPU: rng.Uint32N(interp.MaxCPUs), Task: 0xffff888000000000 + rng.Uint64N(1<<20)*8, Stack: make([]uint64, rng.IntN(100)),
		RdonlyCast: int32(f.cast),
	}
	for i := range env.Stack {
		env.Stack[i] = rng.Uint64()
	}
	if f.direct {
		env.Context = interp.Args(words, 1|1<<1)
		return env
	}
	var regs []byte
	for _, w := range words {
		regs = binary.LittleEndian.AppendUint64(regs, w)
	}
	env.Context = interp.Regs(regs)
	return env
}

// someWord is large, small or negative.
func someWord(rng *rand.Rand) uint64 {
	switch rng.IntN(4) {
	case 0:
		return rng.Uint64N(3000)
	case 1:
		return -rng.Uint64N(3000)
	}
	return rng.Uint64() >> rng.IntN(64)
}

// memory is what lies at addr.
func memory(salt, addr uint64, p []byte) {
	for i := range p {
		at := addr + uint64(i)
		word := rand.New(rand.NewPCG(salt, at/8))
		text := programNames[word.IntN(len(programNames))]
		word.Uint64()
		switch kind := word.IntN(4); {
		case kind == 0:
			p[i] = 0
			if int(at%8) < len(text) {
				p[i] = text[at%8]
			}
		case kind == 1:
			p[i] = byte(word.IntN(3)) * byte(1-min(at%4, 1))
		default:
			p[i] = byte(word.Uint64() >> (8 * (at % 8)))
		}
	}
}
