package opt

import "ktrap/internal/compile/ir"

// dominators returns each block's immediate dominator, by ID, of a numbered
// function: the last block that every way to it passes (Cooper, Harvey and
// Kennedy, A Simple, Fast Dominance Algorithm).
func dominators(f *ir.Func, preds [][]*ir.Block) []int {
	idom := make([]int, len(f.Blocks))
	for i := range idom {
		idom[i] = -1
	}
	idom[0] = 0
	for changed := true; changed; {
		changed = false
		for id := 1; id < len(f.Blocks); id++ {
			new := -1
			for _, p := range preds[id] {
				switch {
				case idom[p.ID] < 0:
				case new < 0:
					new = p.ID
				default:
					new = meet(idom, new, p.ID)
				}
			}
			if idom[id] != new {
				idom[id], changed = new, true
			}
		}
	}
	return idom
}

func meet(idom []int, a, b int) int {
	for a != b {
		for a > b {
			a = idom[a]
		}
		for b > a {
			b = idom[b]
		}
	}
	return a
}

// dominated lists the blocks that each one immediately dominates.
func dominated(f *ir.Func, idom []int) [][]*ir.Block {
	children := make([][]*ir.Block, len(f.Blocks))
	for id, b := range f.Blocks[1:] {
		d := idom[id+1]
		children[d] = append(children[d], b)
	}
	return children
}
