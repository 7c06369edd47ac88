package tracefs

import (
	"slices"
	"strconv"
	"strings"
)

// Count is what the kernel counts of one kprobe event, whoever uses it.
type Count struct {
	Hits   uint64 // that reached the event
	Missed uint64 // another kprobe's handler was running
}

// Profile is the counts by the event's name, whatever its group: for an event of
// several places one for each, in the order in which they were added.
type Profile map[string][]Count

// Of is the count of an event of one place; zero if there is none.
func (p Profile) Of(name string) (c Count) {
	if counts := p[name]; len(counts) > 0 {
		c = counts[0]
	}
	return c
}

// ParseProfile reads kprobe_profile: event, hits, misses.
func ParseProfile(text string) Profile {
	counts := Profile{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		hits, _ := strconv.ParseUint(words[1], 10, 64)
		missed, _ := strconv.ParseUint(words[2], 10, 64)
		counts[words[0]] = append(counts[words[0]], Count{hits, missed})
	}
	return counts
}

// Dropped reads from per_cpu/cpuN/stats how many events found no room.
func Dropped(stats string) (n uint64) {
	for line := range strings.Lines(stats) {
		if count, ok := strings.CutPrefix(line, "dropped events: "); ok {
			n, _ = strconv.ParseUint(strings.TrimSpace(count), 10, 64)
		}
	}
	return n
}

// GroupEvents returns the events of a group that kprobe_events lists, each once:
//
//	r10:group/event vfs_read ret=$retval
func GroupEvents(text, group string) []string {
	var events []string
	for line := range strings.Lines(text) {
		head, _, _ := strings.Cut(line, " ")
		_, name, _ := strings.Cut(head, ":")
		event, ok := strings.CutPrefix(strings.TrimSpace(name), group+"/")
		if ok && !slices.Contains(events, event) {
			events = append(events, event)
		}
	}
	return events
}

// Groups returns the groups of all events that kprobe_events lists, some twice.
func Groups(text string) []string {
	var groups []string
	for line := range strings.Lines(text) {
		head, _, _ := strings.Cut(line, " ")
		_, name, _ := strings.Cut(head, ":")
		group, _, _ := strings.Cut(name, "/")
		groups = append(groups, group)
	}
	return groups
}
