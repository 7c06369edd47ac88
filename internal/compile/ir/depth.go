package ir

// Depths tells how many loops each block lies in: in the order of the blocks, a
// loop is from its head to the last jump back to it.
func (f *Func) Depths() []int {
	depth := make([]int, len(f.Blocks)+1)
	for i, b := range f.Blocks {
		for _, s := range b.Succ() {
			if s.ID <= i {
				last := i
				depth[s.ID]++
				depth[last+1]--
			}
		}
	}
	for i := 1; i < len(depth); i++ {
		depth[i] += depth[i-1]
	}
	return depth
}
