package place

import (
	"fmt"
	"math"
	"path"
	"regexp"
	"strings"
)

// A Pick chooses instructions by what they do. The zero value chooses none.
type Pick struct {
	What string // one of the constants below
	// Name is whom a Call calls, a pattern of path.Match, empty for anybody; or
	// the regular expression of an Insn, for the instruction as it is shown in
	// AT&T syntax.
	Name string
	// Offset is how far from a pointer in a register a Load reads, or a Store
	// writes, bytes.
	Offset int64
}

// What a Pick chooses.
const (
	Ret   = "ret"   // returns; not jumps to another function, which are calls
	Call  = "call"  // calls, and jumps to another function
	Load  = "load"  // reads of a field
	Store = "store" // writes of a field
	Insn  = "insn"  // by the text
)

// String prints the pick with the @ before it.
func (p Pick) String() string {
	switch {
	case p.What == "":
		return ""
	case p.Name != "":
		return "@" + p.What + "(" + p.Name + ")"
	case p.What == Load || p.What == Store:
		if p.Offset < 0 {
			return fmt.Sprintf("@%s(-%#x)", p.What, -uint64(p.Offset))
		}
		return fmt.Sprintf("@%s(%#x)", p.What, p.Offset)
	}
	return "@" + p.What
}

// Names reports whether a Call is of the function of this name; empty is one that
// only running tells.
func (p Pick) Names(callee string) bool {
	matched, _ := path.Match(p.Name, callee)
	return matched || p.Name == ""
}

const pickHint = "a pick is @ret, @call, @call(NAME), @load(OFFSET), @store(OFFSET) or @insn(REGEXP)"

// parsePick reads what stands behind the @, from index at of the whole.
func parsePick(s string, at int) (Pick, *Error) {
	what, argument, hasArgument := strings.Cut(s, "(")
	p := Pick{What: what}
	if hasArgument {
		if !strings.HasSuffix(argument, ")") {
			return p, mistake(at+len(s), "the ( is not closed", "")
		}
		argument = strings.TrimSuffix(argument, ")")
	}
	inside := at + len(what) + 1
	switch what {
	case Ret:
		if hasArgument {
			return p, mistake(inside-1, "ret takes nothing in parentheses", "")
		}
		return p, nil
	case Call:
		if !hasArgument {
			return p, nil
		}
		p.Name = argument
		return p, checkCallee(argument, inside)
	case Load, Store, Insn:
		if !hasArgument || argument == "" {
			return p, mistake(inside-1, what+" of what?", pickHint)
		}
	default:
		return p, mistake(at, fmt.Sprintf("there is no pick %q", what), pickHint)
	}
	var err *Error
	if what == Insn {
		p.Name, err = argument, checkRegexp(argument, inside)
	} else {
		p.Offset, err = parseDisplacement(argument, inside)
	}
	return p, err
}

func checkCallee(s string, at int) *Error {
	switch {
	case s == "":
		return mistake(at, "no name of a function", "@call alone is every call")
	case strings.ContainsAny(s, globMeta):
		if err := checkChars(s, at, "_.$*?[]^-", "a pattern"); err != nil {
			return err
		}
		if _, err := path.Match(s, ""); err != nil {
			return mistake(at+strings.IndexByte(s, '['), "the pattern's [ is not closed, or is empty", "")
		}
		return nil
	}
	return checkSymbol(s, at)
}

// longestRegexp bounds what is compiled for a stranger.
const longestRegexp = 1000

func checkRegexp(s string, at int) *Error {
	if len(s) > longestRegexp {
		return mistake(at+longestRegexp, fmt.Sprintf("a regular expression has %d bytes at most", longestRegexp), "")
	}
	if _, err := regexp.Compile(s); err != nil {
		return mistake(at, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "it is read as Go's package regexp does")
	}
	return nil
}

// parseDisplacement is an offset that may be negative: from a pointer into the
// middle of a struct.
func parseDisplacement(s string, at int) (int64, *Error) {
	digits, negative := strings.CutPrefix(s, "-")
	n, err := parseOffset(digits, at+len(s)-len(digits))
	switch {
	case err != nil:
		return 0, err
	case n > math.MaxInt32:
		return 0, mistake(at, "no instruction reaches that far from a pointer", "")
	case negative:
		return -int64(n), nil
	}
	return int64(n), nil
}
