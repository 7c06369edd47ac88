package tracefs

import (
	"fmt"
	"strconv"
	"strings"
)

// Owner is the process that a group of events, and a trace buffer of its own,
// belong to. Neither goes away by itself when the process does, so their name
// tells whose they are.
type Owner struct {
	PID  int
	Made uint64 // when the group was made, ns since the boot
}

const ownerPrefix = "ktrap_"

// String is the name of the owner's group.
func (o Owner) String() string { return fmt.Sprintf("%s%d_%d", ownerPrefix, o.PID, o.Made) }

// ParseOwner reads a group's name; ok is false for groups of others.
func ParseOwner(name string) (o Owner, ok bool) {
	rest, ours := strings.CutPrefix(name, ownerPrefix)
	pid, made, _ := strings.Cut(rest, "_")
	var err1, err2 error
	o.PID, err1 = strconv.Atoi(pid)
	o.Made, err2 = strconv.ParseUint(made, 10, 64)
	return o, ours && err1 == nil && err2 == nil && o.String() == name
}

// tick is the unit of times in /proc, ns.
const tick = 1e7

// Lives tells from the text of /proc/PID/stat whether that process is the owner,
// and not a later one with the same number.
func (o Owner) Lives(stat string) bool {
	// The second word is a name in brackets, with anything in it.
	words := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	const start = 22 - 3
	if len(words) <= start {
		return false
	}
	began, err := strconv.ParseUint(words[start], 10, 64)
	return err == nil && began*tick <= o.Made
}
