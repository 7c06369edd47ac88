package way

// A Run is a part of a way that ran several times in a row.
type Run struct {
	Blocks []int
	Times  int
}

// longest is how many blocks a loop may have to be seen as one.
const longest = 32

// Fold finds what a way repeats.
func Fold(blocks []int) (runs []Run) {
	for len(blocks) > 0 {
		length, times := 1, 1
		for n := 1; n <= longest && 2*n <= len(blocks); n++ {
			if t := repeats(blocks, n); t > 1 && n*t > length*times {
				length, times = n, t
			}
		}
		if times == 1 && len(runs) > 0 && runs[len(runs)-1].Times == 1 {
			last := &runs[len(runs)-1]
			last.Blocks = append(last.Blocks, blocks[0])
		} else {
			runs = append(runs, Run{append([]int(nil), blocks[:length]...), times})
		}
		blocks = blocks[length*times:]
	}
	return runs
}

// repeats is how often the first n blocks stand in a row.
func repeats(blocks []int, n int) int {
	times := 1
	for at := n; at+n <= len(blocks); at += n {
		for i := range n {
			if blocks[at+i] != blocks[i] {
				return times
			}
		}
		times++
	}
	return times
}

// Blocks are those of a call's way, Nowhere for steps that were not kept.
func (c *Call) Blocks() []int {
	blocks := make([]int, len(c.Visits))
	for i, v := range c.Visits {
		blocks[i] = v.Block
	}
	return blocks
}
