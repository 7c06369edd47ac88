package html

import (
	"fmt"
	"html"
	"strings"
)

// markup is HTML while it is written. What is put into it is escaped, so that no
// name of a kernel's can be read as a tag; an attribute's value must stand in
// double quotes for that.
type markup struct{ strings.Builder }

// put writes HTML in which each % stands for the next of the values.
func (m *markup) put(format string, values ...any) {
	for _, v := range values {
		before, after, _ := strings.Cut(format, "%")
		m.WriteString(before)
		m.WriteString(html.EscapeString(fmt.Sprint(v)))
		format = after
	}
	m.WriteString(format)
}

// putIf writes an attribute, or an element, that has a value only sometimes.
func (m *markup) putIf(format, value string) {
	if value != "" {
		m.put(format, value)
	}
}
