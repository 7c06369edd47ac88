package kernel

import (
	"errors"
	"io/fs"
	"os"
	"strings"

	"ktrap/internal/facts"
	"ktrap/internal/probelist"
)

// ProbeSources reads what debugfs and tracefs tell about probes, whoever armed
// them. What can't be read is left out and told of.
func ProbeSources() (s probelist.Sources, unread []error) {
	k := Gather(facts.KprobeList, facts.KprobeEvents)
	err := k.Can(facts.KprobeList)
	if err == nil {
		err = readKprobes(&s)
	}
	unread = append(unread, err)
	if err = k.Can(facts.KprobeEvents); err == nil {
		err = readTracefs(&s)
	}
	return s, append(unread, err)
}

func readKprobes(s *probelist.Sources) error {
	file, err := os.Open("/sys/kernel/debug/kprobes/list")
	if err != nil {
		return err
	}
	defer file.Close()
	s.Kprobes, err = probelist.ParseKprobes(file)
	return err
}

func readTracefs(s *probelist.Sources) error {
	dir, err := Tracefs()
	if err != nil {
		return err
	}
	return errors.Join(readEvents(s, dir), readHooks(s, dir))
}

func readEvents(s *probelist.Sources, tracefs string) error {
	events, err := os.ReadFile(tracefs + "/dynamic_events")
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
	if errors.Is(err, fs.ErrNotExist) {
		return nil // built without function tracing
	}
	if err != nil {
		return err
	}
	defer file.Close()
	s.Hooks, err = probelist.ParseHooks(file)
	return err
}
