package facts

import (
	"bufio"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// Range is a piece of kernel text with the symbol that it belongs to.
type Range struct {
	Start, End uint64 // End is the first address behind it
	Symbol     string
}

// ParseBlacklist reads debugfs's kprobes/blacklist, the ranges in which the
// kernel refuses kprobes:
//
//	0xffffffff81001000-0xffffffff81001060	exc_divide_error
//
// Addresses are 0 for readers from whom the kernel hides them.
func ParseBlacklist(r io.Reader) ([]Range, error) {
	var ranges []Range
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return ranges, lines.Err()
		}
		one, err := parseRange(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("line %d of the kprobe blacklist: %w", len(ranges)+1, err)
		}
		ranges = append(ranges, one)
	}
}

func parseRange(line string) (Range, error) {
	addresses, symbol, _ := strings.Cut(line, "\t")
	from, to, _ := strings.Cut(addresses, "-")
	start, err := strconv.ParseUint(from, 0, 64)
	if err != nil {
		return Range{}, err
	}
	end, err := strconv.ParseUint(to, 0, 64)
	return Range{start, end, symbol}, err
}

// Traceable yields the functions of tracefs's available_filter_functions, each
// with the module that it is in, or "":
//
//	vfs_read
//	nf_conntrack_in [nf_conntrack]
//
// b39181f7c690: from 5.19 on, functions of which the linker kept only the call
// site have a placeholder for a name; those are left out.
func Traceable(r io.Reader) iter.Seq2[string, string] {
	return func(yield func(symbol, module string) bool) {
		for lines := bufio.NewScanner(r); lines.Scan(); {
			symbol, module, _ := strings.Cut(lines.Text(), " ")
			if strings.HasPrefix(symbol, "__ftrace_invalid_address___") {
				continue
			}
			if !yield(symbol, strings.Trim(module, "[]")) {
				return
			}
		}
	}
}
