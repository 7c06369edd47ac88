package value

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// A form is one of the two ways in which a value is written.
type form bool

const (
	text form = false
	json form = true
)

func appendName(dst []byte, name string) []byte {
	if name == "" {
		return dst
	}
	return append(append(dst, name...), '=')
}

// comma precedes the i-th of a list.
func (f form) comma(dst []byte, i int) []byte {
	switch {
	case i == 0:
		return dst
	case f == json:
		return append(dst, ',')
	}
	return append(dst, ", "...)
}

// key precedes the i-th member of a struct.
func (f form) key(dst []byte, i int, name string) []byte {
	dst = f.comma(dst, i)
	if f == json {
		return append(AppendJSONString(dst, name), ':')
	}
	dst = append(dst, '.')
	return append(append(dst, name...), '=')
}

// more follows the shown fields of a struct or array if some are not shown.
func (f form) more(dst []byte, shown, more int, keyed bool) []byte {
	if more == 0 {
		return dst
	}
	dst = f.comma(dst, shown)
	if f == json && keyed {
		dst = append(dst, `"…":`...)
	}
	if f == json {
		dst = append(dst, '"')
	}
	dst = append(dst, "… "...)
	dst = append(strconv.AppendInt(dst, int64(more), 10), " more"...)
	if f == json {
		dst = append(dst, '"')
	}
	return dst
}

// word writes the name of a constant, or a hexadecimal number.
func (f form) word(dst []byte, word string) []byte {
	if f == text {
		return append(dst, word...)
	}
	return AppendJSONString(dst, word)
}

func appendScalar(dst []byte, f form, k Kind, bits uint64) []byte {
	switch k {
	case Int:
		return f.number(dst, int64(bits) < 0, bits)
	case Uint:
		return f.number(dst, false, bits)
	case Bool:
		return strconv.AppendBool(dst, bits != 0)
	case Pointer, Code:
		return f.address(dst, bits)
	}
	if f == json {
		return append(dst, "null"...)
	}
	switch k {
	case Void:
		return append(dst, "void"...)
	case NoText:
		dst = f.address(dst, bits)
		if bits != 0 {
			dst = append(dst, " (unreadable)"...)
		}
		return dst
	}
	return append(dst, '?')
}

// number quotes what a reader that keeps numbers as float64 would round.
func (f form) number(dst []byte, negative bool, bits uint64) []byte {
	const exact = 1 << 53
	size := bits
	if negative {
		size = -bits
	}
	quote := f == json && size > exact
	if quote {
		dst = append(dst, '"')
	}
	if negative {
		dst = append(dst, '-')
	}
	dst = strconv.AppendUint(dst, size, 10)
	if quote {
		dst = append(dst, '"')
	}
	return dst
}

func (f form) address(dst []byte, bits uint64) []byte {
	if f == json {
		dst = append(dst, '"')
	}
	dst = strconv.AppendUint(append(dst, "0x"...), bits, 16)
	if f == json {
		dst = append(dst, '"')
	}
	return dst
}

// appendString writes a string; one that was cut off ends with an ellipsis, in
// text outside the quotes.
func appendString[S []byte | string](dst []byte, f form, s S, cut bool) []byte {
	if f == text {
		dst = AppendTextString(dst, s)
	} else {
		dst = AppendJSONString(dst, s)
	}
	if !cut {
		return dst
	}
	if f == json {
		dst = dst[:len(dst)-1]
	}
	dst = append(dst, "…"...)
	if f == json {
		dst = append(dst, '"')
	}
	return dst
}

// AppendJSONString appends s quoted for JSON. A byte that is not UTF-8 becomes
// U+FFFD, as in encoding/json: \u00ff would claim a character that is not there.
func AppendJSONString[S []byte | string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendASCII(dst, c, `\u00`)
			i++
			continue
		}
		r, n := decode(s, i)
		if r == utf8.RuneError && n == 1 {
			dst = append(dst, `\ufffd`...)
		} else {
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}

// AppendTextString appends s quoted as C and Go do, with nothing in it that
// could steer a terminal. A byte that is not UTF-8 is written \xff.
func AppendTextString[S []byte | string](dst []byte, s S) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendASCII(dst, c, `\x`)
			i++
			continue
		}
		r, n := decode(s, i)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = appendHex(append(dst, `\x`...), s[i])
		case !unicode.IsPrint(r):
			for _, c := range []byte(s[i : i+n]) {
				dst = appendHex(append(dst, `\x`...), c)
			}
		default:
			dst = append(dst, s[i:i+n]...)
		}
		i += n
	}
	return append(dst, '"')
}

// decode returns the rune at i. Its string does not leave the stack.
func decode[S []byte | string](s S, i int) (rune, int) {
	return utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
}

func appendASCII(dst []byte, c byte, prefix string) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(dst, '\\', c)
	case c >= ' ' && c < 0x7f:
		return append(dst, c)
	case c == '\n':
		return append(dst, `\n`...)
	case c == '\t':
		return append(dst, `\t`...)
	}
	return appendHex(append(dst, prefix...), c)
}

const hexDigits = "0123456789abcdef"

func appendHex(dst []byte, c byte) []byte {
	return append(dst, hexDigits[c>>4], hexDigits[c&15])
}
