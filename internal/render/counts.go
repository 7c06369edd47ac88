package render

import (
	"fmt"
	"strconv"
	"strings"

	"ktrap"
	"ktrap/internal/value"
)

// AppendCounts appends what was counted as columns, numbers first; a histogram for
// each key where that is what was counted. keys are the columns of the keys.
func (p Palette) AppendCounts(dst []byte, t ktrap.Table, keys []string) []byte {
	switch {
	case t.Buckets != nil:
		return histogram(dst, t.Buckets, t.Scale)
	case len(t.Entries) == 0 && t.Other == nil:
		return append(dst, "nothing was counted\n"...)
	case t.Scale != nil:
		return p.histograms(dst, t)
	}
	var rows [][]string
	for _, e := range t.Entries {
		rows = append(rows, append(numbers(e.Value), keyed(e.Key, len(keys))...))
	}
	for _, more := range []struct {
		entry *ktrap.Entry
		name  string
	}{{t.Rest, fmt.Sprintf("(%d more)", t.Left)}, {t.Other, other}} {
		if more.entry != nil {
			rows = append(rows, append(numbers(more.entry.Value), more.name))
		}
	}
	head := append(numberNames(t), keys...)
	return p.columns(dst, head, rows, len(head)-len(keys))
}

func (p Palette) histograms(dst []byte, t ktrap.Table) []byte {
	one := func(name string, e ktrap.Entry) {
		dst = fmt.Appendf(dst, "%s%s%s: %v\n", p.place, name, p.reset, e.Value)
		dst = histogram(dst, e.Buckets, t.Scale)
	}
	for _, e := range t.Entries {
		one(strings.Join(keyed(e.Key, len(e.Key.Fields)), ", "), e)
	}
	if t.Rest != nil {
		one(fmt.Sprintf("(%d more)", t.Left), *t.Rest)
	}
	if t.Other != nil {
		one(other, *t.Other)
	}
	return dst
}

// numberNames are the columns of an entry's value.
func numberNames(t ktrap.Table) []string {
	for _, e := range append(t.Entries, entries(t.Other)...) {
		if e.Value.Kind == value.Struct {
			return []string{"hits", "sum", "avg", "min", "max"}
		}
	}
	return []string{"hits"}
}

func entries(e *ktrap.Entry) []ktrap.Entry {
	if e == nil {
		return nil
	}
	return []ktrap.Entry{*e}
}

func numbers(v ktrap.Value) []string {
	if v.Kind != value.Struct {
		return []string{v.String()}
	}
	row := make([]string, 5)
	for i := range min(len(row), len(v.Fields)) {
		f := v.Fields[i]
		f.Name = ""
		row[i] = f.String()
	}
	return row
}

// keyed is a key as n columns; a text without quotes where it has nothing to hide.
func keyed(key ktrap.Value, n int) []string {
	parts := key.Fields
	if key.Kind != value.Struct || n < 2 {
		parts = []ktrap.Value{key}
	}
	var row []string
	for _, v := range parts {
		v.Name = ""
		text := v.String()
		if v.Kind == value.String && strconv.Quote(v.Text) == text && !strings.Contains(v.Text, " ") && v.Text != "" {
			text = v.Text
		}
		row = append(row, text)
	}
	return row
}

// columns aligns rows: the first of them to the right.
func (p Palette) columns(dst []byte, head []string, rows [][]string, right int) []byte {
	wide := make([]int, len(head))
	for _, row := range append(rows, head) {
		for i, text := range row {
			wide[i] = max(wide[i], len(text))
		}
	}
	line := func(row []string, before, after string) {
		dst = append(dst, before...)
		for i, text := range row {
			pad := strings.Repeat(" ", wide[i]-len(text))
			switch {
			case i < right:
				text = pad + text
			case i < len(row)-1:
				text += pad
			}
			if i > 0 {
				text = "  " + text
			}
			dst = append(dst, text...)
		}
		dst = append(append(dst, after...), '\n')
	}
	line(head, p.name, p.reset)
	for _, row := range rows {
		line(row, "", "")
	}
	return dst
}
