package ktrap

import (
	"regexp"
	"strings"
)

// moved finds in other, the same function of another kernel, the instruction
// that line i of lines became. A compiler renames registers and moves offsets,
// so an instruction is known by its operation and by what stands around it: of
// all places with the same operation the one whose neighbourhood is most alike,
// if that is alike enough, and more so than any other.
func moved(lines []Line, i int, other []Line) (j int, ok bool) {
	kinds, others := operations(lines), operations(other)
	best, second := 0, 0
	for c := range others {
		if others[c] != kinds[i] {
			continue
		}
		switch alike := common(before(kinds, i), before(others, c)) + common(behind(kinds, i), behind(others, c)); {
		case alike > best:
			j, best, second = c, alike, best
		case alike > second:
			second = alike
		}
	}
	return j, best > second && best*100 >= alikeEnough*(len(before(kinds, i))+len(behind(kinds, i)))
}

const (
	neighbours  = 16 // instructions on each side
	alikeEnough = 60 // percent of them
)

// operations are the lines without what differs from build to build: the name
// of the operation, and for a call also whom it calls.
func operations(lines []Line) []string {
	kinds := make([]string, len(lines))
	for i, l := range lines {
		kinds[i], _, _ = strings.Cut(l.Text, " ")
		if strings.HasPrefix(kinds[i], "call") && l.Target != "" {
			kinds[i] += suffix.ReplaceAllString(l.Target, "")
		}
	}
	return kinds
}

// suffix is what the compiler adds to a name, and how far behind it something is.
var suffix = regexp.MustCompile(`[.+].*$`)

func before(kinds []string, i int) []string { return kinds[max(0, i-neighbours):i] }

func behind(kinds []string, i int) []string {
	return kinds[i+1 : min(len(kinds), i+1+neighbours)]
}

// common is the length of the longest sequence that both hold in order.
func common(a, b []string) int {
	row := make([]int, len(b)+1)
	for _, x := range a {
		diagonal := 0
		for j, y := range b {
			above := row[j+1]
			if x == y {
				row[j+1] = diagonal + 1
			} else {
				row[j+1] = max(above, row[j])
			}
			diagonal = above
		}
	}
	return row[len(b)]
}
