package front

import (
	"go/types"

	"ktrap/internal/btfgo"
)

// sizes are Go's but for the kernel's structs: Go sees those of their fields that
// the file names, and the kernel laid them out.
type sizes struct {
	types.Sizes
	kernel *btfgo.Types
}

func (s sizes) Sizeof(t types.Type) int64 {
	if s.kernel.ID(t) != 0 {
		return int64(s.kernel.Size(t))
	}
	if a, ok := t.Underlying().(*types.Array); ok {
		return a.Len() * s.Sizeof(a.Elem())
	}
	return s.Sizes.Sizeof(t)
}

func (s sizes) Offsetsof(fields []*types.Var) []int64 {
	offsets := s.Sizes.Offsetsof(fields)
	for i, v := range fields {
		if f, ok := s.kernel.Field(v); ok {
			offsets[i] = int64(f.Offset)
		}
	}
	return offsets
}
