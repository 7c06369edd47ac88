// Package stacks shows how often which stacks led to a place: folded into lines,
// as a tree, and as a profile for pprof.
package stacks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Frame is one return address of a stack.
type Frame struct {
	Name    string `json:"name"` // function+0xoffset; the address where it has no name
	Addr    uint64 `json:"-"`
	Mapping string `json:"mapping,omitempty"` // the file that the code is of; empty for the kernel
}

// Func is the frame's function, without the offset in it.
func (f Frame) Func() string {
	name, _, _ := strings.Cut(f.Name, "+0x")
	return name
}

// A Label is what else a sample was counted by.
type Label struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// A Sample is a stack and how often it was met.
type Sample struct {
	Frames []Frame `json:"frames"` // innermost first
	Labels []Label `json:"labels,omitempty"`
	Count  uint64  `json:"count"`
}

// Total is the sum of all counts.
func Total(samples []Sample) (n uint64) {
	for _, s := range samples {
		n += s.Count
	}
	return n
}

// AppendFolded appends a line for each sample: its labels and its functions, the
// outermost first, separated by semicolons, and its count.
func AppendFolded(dst []byte, samples []Sample) []byte {
	for _, s := range samples {
		dst = fmt.Appendf(dst, "%s %d\n", strings.Join(s.path(), ";"), s.Count)
	}
	return dst
}

// path is what the sample is found under in a tree. A semicolon in a name would
// be read as two.
func (s *Sample) path() (path []string) {
	for _, l := range s.Labels {
		path = append(path, strings.ReplaceAll(l.Value, ";", ":"))
	}
	for _, f := range slices.Backward(s.Frames) {
		path = append(path, strings.ReplaceAll(f.Func(), ";", ":"))
	}
	if path == nil {
		path = []string{"(no stack)"}
	}
	return path
}

// A Node is a function, under those that called it.
type Node struct {
	Name     string  `json:"n"`
	Count    uint64  `json:"c"`
	Children []*Node `json:"k,omitempty"` // the largest first
}

// Tree joins stacks where they begin alike. The root is nobody's function.
func Tree(samples []Sample) *Node {
	root := &Node{Name: "all"}
	for i := range samples {
		at := root
		at.Count += samples[i].Count
		for _, name := range samples[i].path() {
			at = at.child(name)
			at.Count += samples[i].Count
		}
	}
	root.sort()
	return root
}

func (n *Node) child(name string) *Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	c := &Node{Name: name}
	n.Children = append(n.Children, c)
	return c
}

func (n *Node) sort() {
	slices.SortFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	for _, c := range n.Children {
		c.sort()
	}
}
