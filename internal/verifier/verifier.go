// Package verifier reads what the kernel's verifier writes when it refuses a
// program: at which instruction, what it knew of the registers there, and why; and
// makes of it a mistake at a line of the handler.
//
// A log is the way of the verifier through the program, an instruction a line,
// and ends with its last words. From 7.3 on a report follows these, with headings
// of its own ("Verification failed:", "At:", "Suggestion:"); the old words are
// there all the same. What is looked for are sentences of the kernel's source, in
// a table; a sentence that is not there is passed on as it is.
package verifier

import (
	"go/token"
	"strconv"
	"strings"

	"github.com/cilium/ebpf/asm"

	"ktrap/internal/diag"
)

// A Report is what a log says.
type Report struct {
	Code      diag.Code
	Msg       string            // in our words; "" if we have none
	Hint      string            // what to change, or ""
	Words     string            // the verifier's own sentence
	Slot      int               // the guilty instruction, in slots of 8 bytes, or -1
	Insn      string            // as the verifier prints it, or ""
	Regs      map[string]string // "R1" → what was known of it
	Processed int               // instructions that the verifier walked through, or 0
}

var (
	insnLine  = lazily(`^(\d+): \([0-9a-f]{2}\) (.*)$`)
	stateLine = lazily(`^(?:\d+:|from \d+ to \d+:| ) ?(?:frame\d+: )?R\d+`)
	atLine    = lazily(`^\s+insn (\d+)`)
	processed = lazily(`^processed (\d+) insns`)
	failed    = lazily(`^Verification failed: (.*)`)
)

// Parse reads a log. It always says something.
func Parse(log string) Report {
	r := Report{Code: diag.VerifierOther, Slot: -1, Regs: map[string]string{}}
	words, report, _ := strings.Cut(log, "Verification failed: ")
	found := r.read(words)
	if report != "" {
		found = r.readReport("Verification failed: "+report, found)
	}
	if !found && r.Words == "" {
		r.Words = lastWords(words)
	}
	return r
}

// read goes through the old form; the first sentence that is known counts.
func (r *Report) read(log string) (found bool) {
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n\r")
		if m := insnLine().FindStringSubmatch(line); m != nil {
			r.Slot, _ = strconv.Atoi(m[1])
			var state string
			r.Insn, state, _ = strings.Cut(m[2], ";")
			r.Insn = strings.TrimSpace(r.Insn)
			r.learn(state)
		} else if stateLine().MatchString(line) {
			clear(r.Regs)
			r.learn(line)
			continue
		} else if m := processed().FindStringSubmatch(line); m != nil {
			r.Processed, _ = strconv.Atoi(m[1])
			continue
		}
		if !found {
			found = r.match(line)
		}
	}
	return found
}

// readReport goes through the form of 7.3, which follows the old one.
func (r *Report) readReport(report string, known bool) (found bool) {
	found = known
	at := false
	for line := range strings.Lines(report) {
		line = strings.TrimRight(line, "\n\r")
		if m := failed().FindStringSubmatch(line); m != nil && !found && r.Words == "" {
			r.Words = m[1]
		}
		if m := atLine().FindStringSubmatch(line); m != nil && at && !known {
			r.Slot, _ = strconv.Atoi(m[1])
		}
		at = strings.HasPrefix(line, "At:")
		if m := processed().FindStringSubmatch(line); m != nil {
			r.Processed, _ = strconv.Atoi(m[1])
		}
		if !found && r.Words != "" {
			found = r.match(r.Words)
		}
	}
	return found
}

// match looks a line up in the table of sentences.
func (r *Report) match(line string) bool {
	for i := range sentences {
		s := &sentences[i]
		m := s.pattern().FindStringSubmatchIndex(line)
		if m == nil {
			continue
		}
		r.Code, r.Hint, r.Words = s.code, s.hint, strings.TrimSpace(line[m[0]:])
		r.Msg = string(s.pattern().ExpandString(nil, s.msg, line, m))
		if n := s.pattern().SubexpIndex("insn"); n >= 0 {
			r.Slot, _ = strconv.Atoi(line[m[2*n]:m[2*n+1]])
			r.Insn = ""
		}
		if s.whole {
			r.Slot, r.Insn = -1, ""
		}
		return true
	}
	return false
}

// learn takes the registers of a state: R1=ctx() R2_w=scalar(umax=3,var_off=(0x0; 0x3)).
func (r *Report) learn(state string) {
	for _, at := range register().FindAllStringSubmatchIndex(state, -1) {
		r.Regs[state[at[2]:at[3]]] = upToSpace(state[at[1]:])
	}
}

var register = lazily(`\b(R\d+)(?:_[a-zA-Z]+)?=`)

// upToSpace is s up to a space that is in no brackets.
func upToSpace(s string) string {
	depth := 0
	for i, c := range s {
		switch c {
		case '(':
			depth++
		case ')':
			depth--
		case ' ':
			if depth <= 0 {
				return s[:i]
			}
		}
	}
	return s
}

// lastWords is the last line that is neither an instruction nor a sum.
func lastWords(log string) (last string) {
	for line := range strings.Lines(log) {
		line = strings.TrimSpace(line)
		if line != "" && !insnLine().MatchString(line) && !stateLine().MatchString(line) && !processed().MatchString(line) {
			last = line
		}
	}
	return last
}

// Explain makes of a log a mistake at a line of the handler. lines holds where
// each instruction came from; one that came from nowhere belongs to the line
// before it.
func Explain(log string, insns asm.Instructions, lines []token.Position) *diag.Error {
	r := Parse(log)
	e := &diag.Error{Code: r.Code, Hint: r.Hint, Pos: position(r.Slot, insns, lines)}
	e.Msg = "the kernel's verifier refuses this"
	if r.Msg != "" {
		e.Msg += ": " + r.Msg
	}
	if r.Words != "" {
		e.Msg += ": it says \"" + r.Words + "\""
	}
	return e
}

func position(slot int, insns asm.Instructions, lines []token.Position) (pos token.Position) {
	at := 0
	for i := range insns {
		if i >= len(lines) || slot >= 0 && at > slot {
			return pos
		}
		if lines[i].IsValid() && (slot >= 0 || !pos.IsValid()) {
			pos = lines[i]
		}
		at += int(insns[i].Width())
	}
	return pos
}
