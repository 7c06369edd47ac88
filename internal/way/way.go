// Package way puts together the ways that calls took through functions, out of what
// was seen of them: entries, blocks, returns, in the order of one thread.
//
// What it makes is what the flow of control allows, or nothing: between two blocks
// that were seen there must be an edge, or exactly one way through blocks that no
// probe can see; where there are several, the visit is Unsure. Calls are last in,
// first out: an entry opens one in the block that is running, a return closes it. What
// does not fit is an error, and the whole call with it: a step was missed.
//
// Given the ways of others it says which branch decided a call: see Decide.
package way

import "fmt"

// Graph is the flow of control of one function.
type Graph struct {
	Name   string
	Blocks []Block

	bridges map[[2]int]bridge // that have been looked for
}

// Block is a run of instructions that is left at its end only.
type Block struct {
	Succ     []int // where it leads within the function
	Indirect bool  // it may lead to any block that is Stray, by a way that is not known
	Stray    bool  // ways that are not known may lead here
	Ends     bool  // it may be the last of a call
	Seen     bool  // a probe tells of it
	Calls    bool  // functions are called in it
	Branch   bool  // it ends in a branch of two ways
	// Tests says that what the branch tests was returned by a call of this block.
	Tests bool
	// Width is how many bytes of the word at the next block are what the branch
	// tests; 0 if they are not.
	Width int
	// Makes are the error numbers, below zero, that it puts somewhere.
	Makes []int64
}

// Kind is what was seen.
type Kind uint8

// The kinds.
const (
	Enter Kind = iota // a function's first block begins
	Pass              // another begins
	Leave             // a function has returned
	Gap               // steps that were not kept
)

// Step is one thing that was seen.
type Step struct {
	Kind  Kind
	Func  int    // index of a Graph
	Block int    // of a Pass
	At    uint64 // ns since the call began
	Word  uint64 // what a register held, or what was returned
}

// Call is one call of a function.
type Call struct {
	Func   int
	Began  uint64 // ns since the outermost call began
	Took   uint64 // ns
	Result uint64
	Visits []Visit
	// Cut says that steps of it were not kept: there is a Visit with a Gap.
	Cut bool
}

// Visit is one run of a block.
type Visit struct {
	Block  int
	At     uint64 // ns since the outermost call began
	Took   uint64 // ns until the next block, with the calls between
	Word   uint64
	Inner  []*Call
	Unseen bool // it was not seen: no other way leads to the next
	Unsure bool // how it was come by is not known: several ways lead here from the one before
	Gap    bool // steps before it were not kept
}

// Broken is why steps are no call.
type Broken struct {
	At  int // of the steps
	Why string
}

func (e *Broken) Error() string { return fmt.Sprintf("step %d: %s", e.At, e.Why) }
