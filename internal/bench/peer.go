package main

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// peer is a tool and how it is called.
type peer struct {
	name string
	args []string // nil: none, for comparison
	says string   // on standard error when it is attached, if it does say so
	file string   // what the file handlerFile has that it is given

	// For tools that record:
	prepare func() (undo func(), err error)
	finish  [][]string                         // programs that make lines of what was recorded
	mark    string                             // what only an event's line has in it
	told    func(text string) (account, error) // reads the lines that are not events'
}

func (p peer) program() string {
	if p.args == nil {
		return ""
	}
	return p.args[0]
}

// account is what a tool says of itself.
type account struct {
	Hits int64 `json:"hits,omitempty"` // 0 where it does not say
	Lost int64 `json:"lost"`
}

// ktrapTold reads the summary, the last JSON object.
func ktrapTold(text string) (a account, err error) {
	_, object, found := strings.Cut(text, `{"kind":"summary"`)
	if !found {
		return a, fmt.Errorf("ktrap wrote no summary: %s", text)
	}
	var s struct {
		Probes []struct{ Hits, Delivered int64 }
	}
	if err := json.NewDecoder(strings.NewReader(`{"kind":"summary"` + object)).Decode(&s); err != nil {
		return a, fmt.Errorf("read ktrap's summary: %w", err)
	}
	for _, p := range s.Probes {
		a.Hits += p.Hits
		a.Lost += p.Hits - p.Delivered
	}
	return a, nil
}

// bpftraceTold adds up "Lost 1234 events".
func bpftraceTold(text string) (account, error) { return sum(bpftraceLost, text) }

// perfTold takes the count that the kernel keeps for an event since 6.0, or
// else adds up "PERF_RECORD_LOST lost 1234" of the records.
func perfTold(text string) (account, error) {
	if stats := perfStats.FindString(text); stats != "" {
		return sum(perfSamples, stats)
	}
	return sum(perfLost, text)
}

var (
	bpftraceLost = regexp.MustCompile(`Lost (\d+) events`)
	perfLost     = regexp.MustCompile(`PERF_RECORD_LOST lost (\d+)`)
	perfStats    = regexp.MustCompile(perfEvent + ` stats:\n( .*\n)*`)
	perfSamples  = regexp.MustCompile(`LOST_SAMPLES events: +(\d+)`)
)

func sum(pattern *regexp.Regexp, text string) (a account, err error) {
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		n, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil {
			return a, err
		}
		a.Lost += n
	}
	return a, nil
}

// Perf can't make a probe on a kernel whose image it does not have; it records
// one that is there.
const (
	perfEvent = "bench:umask"
	perfData  = "perf.data"
)

func definePerfEvent() (undo func(), err error) {
	const events = "/sys/kernel/tracing/kprobe_events"
	name := strings.ReplaceAll(perfEvent, ":", "/")
	if err := os.WriteFile(events, []byte("p:"+name+" "+called+" regs=%di:x64\n"), 0); err != nil {
		return nil, fmt.Errorf("define perf's event: %w", err)
	}
	return func() { os.WriteFile(events, []byte("-:"+name+"\n"), 0) }, nil
}
