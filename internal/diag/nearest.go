package diag

import (
	"slices"
	"strings"
)

// DidYouMean is the hint that names what of names looks most like word, at most
// two of them; "" if nothing does.
func DidYouMean(word string, names []string) string {
	near := nearest(word, names)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + strings.Join(near[:min(2, len(near))], " or ") + "?"
}

// nearest is the names at the least distance from word, if that is small enough
// for a slip: a third of its letters.
func nearest(word string, names []string) []string {
	best, found := max(1, len(word)/3), []string(nil)
	for _, name := range names {
		if len(name) > len(word)+best || len(word) > len(name)+best || name == word {
			continue
		}
		switch d := distance(word, name); {
		case d < best:
			best, found = d, []string{name}
		case d == best:
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// distance is how many letters must be changed, added, dropped or swapped with
// their neighbour to make b of a.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	old, row, next := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], old[j-2]+1)
			}
		}
		old, row, next = row, next, old
	}
	return row[len(b)]
}
