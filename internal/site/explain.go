package site

// An Explanation is all there is to say of one place.
type Explanation struct {
	Verdict
	// Trail is what the kernel asks when a probe of perf or tracefs is made there,
	// in its order, and behind it what ktrap asks.
	Trail []Step
	// Mechanism is how the kernel will run the probe; Unsettled if none can be
	// there or too little is known.
	Mechanism Mechanism
	Better    string   // why it is no mechanism that costs less, or ""
	Assumed   []Reason // rules on the mechanism whose facts were missing, taken as passed
}

// A Step is one rule and what it found.
type Step struct {
	Reason Reason
	Asks   string // what has to be so: "is no jump label"
	Answer Answer // Yes is passed, No refused, Unknown unchecked
	Found  string // what was found, where there is more to say than the answer
	Errno  string // what the kernel says if it refuses; "" for a rule of ktrap's own
	Asked  bool   // no step before has refused
}

// Explain applies all rules to a place.
func Explain(q Query) Explanation {
	s := newSubject(&q)
	e := Explanation{Verdict: s.verdict(), Trail: s.trail()}
	if e.OK() {
		o := s.mechanism()
		e.Mechanism, e.Better, e.Assumed = o.mechanism, o.better, o.assumed
	}
	return e
}

func (s *subject) trail() []Step {
	var steps []Step
	for i := range rules {
		r := &rules[i]
		if r.asked != nil && !r.asked(s) {
			continue
		}
		step := s.step(r)
		if r.reason == Notrace { // see rules
			steps = append([]Step{step}, steps...)
		} else {
			steps = append(steps, step)
		}
	}
	for i, asked := 0, true; i < len(steps); i++ {
		steps[i].Asked = asked
		asked = asked && steps[i].Answer != No
	}
	return steps
}

func (s *subject) step(r *rule) Step {
	step := Step{Reason: r.reason, Asks: r.asks, Answer: r.passes(s), Errno: r.errno}
	in, ok := s.inst()
	switch {
	case step.Answer == No:
		step.Found = r.refusal(s)
	case r.reason == InsideInstruction && step.Answer == Yes && ok:
		step.Found = in.String()
	case r.reason == NoSymbol && step.Answer == Yes:
		step.Found = s.place(s.addr)
	}
	return step
}
