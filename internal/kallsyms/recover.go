package kallsyms

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// Recover finds the arrays in a kernel that does not run and has told nobody
// where they are: a part of its image that has them all, which lies at addr. It
// goes by structure alone, as versions say little (late 6.1 has what came with
// 6.2). There are two orders, and arrays in brackets only some kernels have:
//
//	to 6.3    offsets relative_base num_syms names markers [seqs] tokens index
//	from 6.4  num_syms names markers tokens index offsets [relative_base] [seqs]
//
// Digits are tokens of their own, whose texts follow each other: this leads to
// the tokens, and the index must repeat their places. From there back, markers
// lead to the names, and both must agree to the last; so must the addresses,
// which ascend. What is found by so many agreements can be nothing else.
func Recover(image []byte, addr uint64) (Layout, error) {
	err := errors.New("search for kallsyms: there is no table of symbols in this kernel (built without CONFIG_KALLSYMS?)")
	r := recovery{image: image, steps: len(image)/8 + maxSteps}
	for at := 0; r.steps > 0; at++ {
		next := bytes.Index(image[at:], []byte(digits))
		if next < 0 {
			return Layout{}, err
		}
		at += next
		if !r.findTokens(at) {
			continue
		}
		if err = r.rest(); err == nil {
			return r.layout(addr), nil
		}
	}
	return Layout{}, errors.New("search for kallsyms: given up, as too much looks like a table of symbols")
}

// maxSteps bounds what an image that was made to mislead can cost: 0.1 s for
// every 10 million. Real ones take up to a million.
const maxSteps = 20e6

const digits = "0\x001\x002\x003\x004\x005\x006\x007\x008\x009\x00"

// A recovery knows places in the image. They are of no use before they are found
// in the order of the fields.
type recovery struct {
	image         []byte
	steps         int // that may still be taken
	tokens, index int
	names, n      int
	numSyms       int
	offsets, base int // base is 0 where offsets count from their own places
}

func (r *recovery) layout(addr uint64) Layout {
	l := Layout{
		NumSyms: addr + uint64(r.numSyms), Names: addr + uint64(r.names),
		TokenTable: addr + uint64(r.tokens), TokenIndex: addr + uint64(r.index),
		Offsets: addr + uint64(r.offsets),
	}
	if r.base != 0 {
		l.RelativeBase = addr + uint64(r.base)
	}
	return l
}

func (r *recovery) rest() error {
	if !r.findNames() {
		return errors.New("search for kallsyms: the tokens are there, but no names that use them")
	}
	if !r.findOffsets() {
		return errors.New("search for kallsyms: the names are there, but no addresses for them")
	}
	return nil
}

// word returns the u32 at at, or 0 outside the image.
func (r *recovery) word(at int) uint32 {
	if at < 0 || at+4 > len(r.image) {
		return 0
	}
	return binary.LittleEndian.Uint32(r.image[at:])
}

// findTokens takes the texts from token '0' on and looks behind the last for an
// index with these very places, which tells where token 0 lies.
func (r *recovery) findTokens(zero int) bool {
	const before, after = '0', 256 - '0'
	var starts [after]int
	at := zero
	for i := range starts {
		starts[i] = at
		size := bytes.IndexByte(r.image[at:min(at+maxName, len(r.image))], 0)
		if size < 0 {
			return false
		}
		at += size + 1
	}
	r.steps -= 256 + (at-zero)/16
	for _, align := range []int{2, 4, 8} {
		r.index = (at + align - 1) &^ (align - 1)
		if r.index+2*256 > len(r.image) {
			return false
		}
		r.tokens = zero - r.place(before)
		if r.tokens > 0 && r.indexed(starts[:]) {
			return true
		}
	}
	return false
}

// place returns what the index says of a token.
func (r *recovery) place(token int) int {
	return int(binary.LittleEndian.Uint16(r.image[r.index+2*token:]))
}

// indexed says whether the index has the places of the last tokens, and rises
// from 0 to them over the first.
func (r *recovery) indexed(starts []int) bool {
	first := 256 - len(starts)
	for i, start := range starts {
		if r.place(first+i) != start-r.tokens {
			return false
		}
	}
	for token := 1; token <= first; token++ {
		at := r.tokens + r.place(token)
		if r.place(token) <= r.place(token-1) || at > len(r.image) || r.image[at-1] != 0 {
			return false
		}
	}
	return r.place(0) == 0
}

// findNames looks back from the tokens for markers, which begin with 0 and rise
// by the length of 256 names, and from there for the names.
func (r *recovery) findNames() bool {
	// Between the markers and the tokens there may be three bytes a symbol.
	for at := r.tokens &^ 3; at >= max(0, r.tokens-maxArray) && r.steps > 0; at -= 4 {
		if r.steps--; r.word(at) == 0 && r.countMarks(at) > 1 && r.findNamesOf(at) {
			return true
		}
	}
	return false
}

const (
	leastGroup = 2 * markEvery // bytes of 256 names
	mostGroup  = markEvery * (2 + 512)
)

// countMarks returns how many words from at on may be markers.
func (r *recovery) countMarks(at int) (n int) {
	for n = 1; at+4*n < r.tokens; n++ {
		size := r.word(at+4*n) - r.word(at+4*n-4)
		if size < leastGroup || size > mostGroup {
			break
		}
	}
	return n
}

// findNamesOf looks back from the markers for num_syms, which must fit them,
// with names behind it that end where the markers begin.
func (r *recovery) findNamesOf(marks int) bool {
	most := r.countMarks(marks)
	r.steps -= most
	for at := marks - leastGroup; at >= max(0, marks-maxArray) && r.steps > 0; at -= 4 {
		n := int(r.word(at))
		r.steps--
		if n <= markEvery || (n-1)/markEvery >= most || n > (marks-at)/2 {
			continue
		}
		for _, names := range []int{at + 4, at + 8} {
			if r.marked(names, n, marks) {
				r.numSyms, r.names, r.n = at, names, n
				return true
			}
		}
	}
	return false
}

// marked says whether n names from there on end at the markers and lie where
// they say.
func (r *recovery) marked(names, n, marks int) bool {
	r.steps -= markEvery
	first, _, err := walk(r.image[names:marks], markEvery+1)
	if err != nil || first[1] != int(r.word(marks+4)) {
		return false
	}
	r.steps -= n
	starts, end, err := walk(r.image[names:marks], n)
	if err != nil || (names+end+3)&^3 != marks && (names+end+7)&^7 != marks {
		return false
	}
	for i, start := range starts {
		if start != int(r.word(marks+4*i)) {
			return false
		}
	}
	return true
}

// findOffsets tries both orders. Offsets that count from a base are followed by
// it, the first of them lying at it.
func (r *recovery) findOffsets() bool {
	r.steps -= 3 * r.n
	size := 4 * r.n
	after := r.index + 2*256
	before := (r.numSyms - 8 - size) &^ 7
	switch {
	case r.based(after):
		r.offsets, r.base = after, (after+size+7)&^7
	case r.based(before):
		r.offsets, r.base = before, r.numSyms-8
	case r.selfRelative(after):
		r.offsets, r.base = after, 0
	default:
		return false
	}
	return true
}

// based says whether the offsets at at count from a base: up from the first
// symbol's 0, or, behind those of percpu symbols, down from -1.
func (r *recovery) based(at int) bool {
	percpu := int32(r.word(at+4*r.n-4)) < 0
	address := baseRelative(1<<63, percpu)
	if !r.ascend(at, address) {
		return false
	}
	for i := range r.n {
		if addr := address(i, r.word(at+4*i)); addr >= 1<<63 {
			return addr == 1<<63
		}
	}
	return false
}

// selfRelative says whether the offsets at at count from their own places.
func (r *recovery) selfRelative(at int) bool {
	return r.ascend(at, selfRelative(1<<63+uint64(at)))
}

// ascend says whether the addresses do, and are not all one.
func (r *recovery) ascend(at int, address func(i int, offset uint32) uint64) bool {
	if at < 0 || at+4*r.n > len(r.image) {
		return false
	}
	first := address(0, r.word(at))
	last := first
	for i := 1; i < r.n; i++ {
		next := address(i, r.word(at+4*i))
		if next < last {
			return false
		}
		last = next
	}
	return last > first
}
