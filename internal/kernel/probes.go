package kernel

import (
	"os"
	"strings"

	"ktrap/internal/facts"
	"ktrap/internal/probelist"
)

// ProbeSources reads what debugfs and tracefs tell about probes, whoever armed
// them. Each source that can't be read is left out and told of.
func ProbeSources() (s probelist.Sources, unread []error) {
	note := func(err error) {
		if err != nil {
			unread = append(unread, err)
		}
	}
	note(readKprobes(&s))
	dir, err := Tracefs()
	if err != nil {
		return s, append(unread, err)
	}
	note(readEvents(&s, dir))
	note(readHooks(&s, dir))
	return s, unread
}

func readKprobes(s *probelist.Sources) error {
	if err := Gather(facts.KprobeList).Can(facts.KprobeList); err != nil {
		return err
	}
	file, err := os.Open("/sys/kernel/debug/kprobes/list")
	if err != nil {
		return err
	}
	defer file.Close()
	s.Kprobes, err = probelist.ParseKprobes(file)
	return err
}

func readEvents(s *probelist.Sources, tracefs string) error {
	// Absent from kernels without such events.
	events, err := os.ReadFile(tracefs + "/dynamic_events")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	profile, _ := os.ReadFile(tracefs + "/kprobe_profile")
	s.Events = probelist.ParseEvents(string(events), string(profile))
	for i := range s.Events {
		e := s.Events[i].Event
		enabled, _ := os.ReadFile(tracefs + "/events/" + e.Name + "/enable")
		e.Enabled = strings.HasPrefix(string(enabled), "1")
	}
	return nil
}

func readHooks(s *probelist.Sources, tracefs string) error {
	file, err := os.Open(tracefs + "/enabled_functions")
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	s.Hooks, err = probelist.ParseHooks(file)
	return err
}
