package symbols

import (
	"fmt"
	"strconv"
)

// KASLR returns by how much the running kernel's addresses are above those it
// was linked for.
func (l *Live) KASLR() (uint64, error) {
	core, err := l.core()
	if err != nil {
		return 0, err
	}
	text, ok := core.Info().Value("KERNELOFFSET")
	if !ok {
		return 0, fmt.Errorf("%s does not tell where the kernel was moved to", l.path("kcore"))
	}
	return strconv.ParseUint(text, 16, 64)
}
