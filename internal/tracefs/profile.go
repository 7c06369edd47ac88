package tracefs

import (
	"strconv"
	"strings"
)

// Count is what the kernel counts of one kprobe event, whoever uses it.
type Count struct {
	Hits   uint64 // that reached the event
	Missed uint64 // another kprobe's handler was running
}

// ParseProfile reads kprobe_profile: event, hits, misses. Events of one name are
// summed up; groups are not told apart.
func ParseProfile(text string) map[string]Count {
	counts := map[string]Count{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 3 {
			continue
		}
		c := counts[words[0]]
		hits, _ := strconv.ParseUint(words[1], 10, 64)
		missed, _ := strconv.ParseUint(words[2], 10, 64)
		counts[words[0]] = Count{c.Hits + hits, c.Missed + missed}
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

// GroupEvents returns the events of a group that kprobe_events lists:
//
//	r10:group/event vfs_read ret=$retval
func GroupEvents(text, group string) []string {
	var events []string
	for line := range strings.Lines(text) {
		head, _, _ := strings.Cut(line, " ")
		_, name, _ := strings.Cut(head, ":")
		if event, ok := strings.CutPrefix(name, group+"/"); ok {
			events = append(events, strings.TrimSpace(event))
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
