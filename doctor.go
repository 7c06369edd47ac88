package ktrap

import (
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
)

// Diagnosis says what the running kernel lets this process do.
type Diagnosis struct {
	Release   string    `json:"release"`
	Arch      string    `json:"arch"` // as GOARCH says
	Online    int       `json:"cpus_online"`
	Possible  int       `json:"cpus_possible"`
	Abilities []Ability `json:"abilities"`

	// Obstacle is the first thing to mend before any probe can be armed here;
	// nil if probes can be armed.
	Obstacle *Ability `json:"obstacle,omitempty"`
}

// Ability is one thing that a kernel may be able to do.
type Ability struct {
	Name  string `json:"name"`  // stable, for programs
	State string `json:"state"` // yes, no or unknown
	Group string `json:"group"`
	For   string `json:"for"`             // what it gives to the user
	Since string `json:"since,omitempty"` // the kernel release, and the commit
	Why   string `json:"why,omitempty"`   // the reason, unless the state is yes
	Mend  string `json:"mend,omitempty"`  // what to do about it, where something helps
}

// Doctor looks at the running kernel. It arms nothing that can be hit and needs
// no rights; without them much is unknown.
func Doctor() *Diagnosis {
	k := kernel.Gather()
	d := &Diagnosis{Release: k.Release, Arch: k.Arch, Online: k.CPUs.Online, Possible: k.CPUs.Possible}
	for _, f := range facts.Features() {
		d.Abilities = append(d.Abilities, ability(k, f))
	}
	if missing, blocked := k.Ready().(*facts.Missing); blocked {
		obstacle := ability(k, missing.Feature)
		d.Obstacle = &obstacle
	}
	return d
}

func ability(k *facts.Kernel, f facts.Feature) Ability {
	about, answer := f.About(), k.Features[f]
	return Ability{
		Name: string(f), State: string(answer.State), Group: about.Group,
		For: about.For, Since: about.Since, Why: answer.Why, Mend: answer.Mend,
	}
}
