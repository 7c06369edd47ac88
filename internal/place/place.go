// Package place holds the grammar of places: the words by which a person names
// a spot in the kernel's text. It parses and prints them and knows nothing of
// any kernel: whether the symbol exists is for others to say.
//
//	place   = ( symbol | address | glob ) [ "%return" | "@" pick ]
//	symbol  = [ MODULE ":" ] NAME [ "+" OFFSET [ ".." OFFSET ] ]
//	                                                unix:unix_stream_connect+0x1f
//	address = "0x" HEX [ "..0x" HEX ]               0xffffffff81a0b0c0
//	glob    = [ MODULE ":" ] NAME with * ? [...]    vfs_*, ext4:ext4_da_[rw]*
//	pick    = "ret"                                 vfs_read@ret
//	        | "call" [ "(" NAME ")" ]               vfs_read@call(rw_verify_area)
//	        | ( "load" | "store" ) "(" OFFSET ")"   vfs_read@load(0x28)
//	        | "insn" "(" REGEXP ")"                 vfs_read@insn(^cmp.*%rax)
//
// NAME is of letters, digits, "_", "." and "$"; MODULE of letters, digits and
// "_" ("-" is read as "_", as modprobe does). OFFSET counts bytes, in decimal or
// in hex after 0x. ".." makes a range: each instruction that begins at one of its
// two ends or between them. "%return" is the kernel's own word for a function's return;
// a return is watched from the function's entry, so it takes no offset. "@" makes
// a pick: the instructions of a function, or of a range, that do something; see
// Pick.
//
// What Parse accepts, String prints back so that Parse reads the same Place.
package place

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// A Place is one spot, or with Glob a set of functions.
type Place struct {
	Module string // "" where none was named
	Symbol string // a name, or the pattern if Glob; "" if Addr is set
	Offset uint64 // bytes from the symbol's start
	Addr   uint64 // an address of the kernel, or 0
	To     uint64 // the last offset of a range, or its last address; 0 if it is none
	Return bool   // the function's return, not its entry
	Glob   bool   // Symbol is a pattern of path.Match
	Pick   Pick   // the instructions that do this, not the entry
}

// An Error says where and why a place can't be read.
type Error struct {
	Input string
	Col   int // of the guilty byte, from 1
	Msg   string
	Hint  string // what to write instead, or ""
}

func (e *Error) Error() string {
	s := fmt.Sprintf("malformed place %q, column %d: %s", e.Input, e.Col, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Parse reads one place. Its error is an *Error.
func Parse(s string) (Place, error) {
	p, err := parse(s)
	if err != nil {
		err.Input = s
		return Place{}, err
	}
	return p, nil
}

// String prints the place as Parse reads it.
func (p Place) String() string {
	var b strings.Builder
	switch {
	case p.Symbol == "":
		fmt.Fprintf(&b, "%#x", p.Addr)
	case p.Module != "":
		b.WriteString(p.Module + ":" + p.Symbol)
	default:
		b.WriteString(p.Symbol)
	}
	if p.Offset != 0 || p.Symbol != "" && p.To != 0 {
		fmt.Fprintf(&b, "+%#x", p.Offset)
	}
	if p.To != 0 {
		fmt.Fprintf(&b, "..%#x", p.To)
	}
	if p.Return {
		b.WriteString(returnSuffix)
	}
	return b.String() + p.Pick.String()
}

// IsEntry reports whether the place is where functions begin or, with Return, what
// is watched from there; not an address, of which only a kernel knows.
func (p Place) IsEntry() bool {
	return p.Symbol != "" && p.Offset == 0 && p.To == 0 && p.Pick.What == ""
}

// MarshalText prints the place as String does.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the place as Parse does.
func (p *Place) UnmarshalText(text []byte) error {
	parsed, err := Parse(string(text))
	if err == nil {
		*p = parsed
	}
	return err
}

const (
	returnSuffix = "%return"
	globMeta     = "*?["
)

// mistake makes an Error at the byte of index i.
func mistake(i int, msg, hint string) *Error { return &Error{Col: i + 1, Msg: msg, Hint: hint} }

func parse(s string) (Place, *Error) {
	if strings.TrimSpace(s) == "" {
		return Place{}, mistake(0, "it is empty", "a place is [MODULE:]SYMBOL[+OFFSET], 0xADDRESS or a GLOB")
	}
	s, pick, picks := strings.Cut(s, "@")
	if i := strings.IndexAny(s, " \t\r\n"); i >= 0 {
		return Place{}, mistake(i, "a place holds no spaces", "")
	}
	p, err := parseWhole(s)
	if err == nil && picks {
		p.Pick, err = parsePick(pick, len(s)+1)
	}
	switch {
	case err != nil || !picks:
	case p.Return:
		err = mistake(strings.IndexByte(s, '%'), "a return takes no pick", "the function's return instructions are FUNCTION@ret")
	case p.To == 0 && (p.Offset != 0 || p.Addr != 0):
		err = mistake(len(s), "a pick looks through a function, or a range of it", "leave the offset out, or name a range: +OFFSET..OFFSET")
	}
	return p, err
}

// parseWhole reads a place without its pick.
func parseWhole(s string) (Place, *Error) {
	body, suffix, isReturn := strings.Cut(s, "%")
	if isReturn && suffix != returnSuffix[1:] {
		return Place{}, mistake(len(body), fmt.Sprintf("unknown suffix %%%s", suffix), "did you mean %return?")
	}
	p, err := parseBody(body)
	switch {
	case err != nil || !isReturn:
	case p.To != 0:
		err = mistake(strings.Index(body, ".."), "a return takes no range", "it is watched from the function's entry")
	case p.Offset != 0:
		err = mistake(strings.LastIndexByte(body, '+'), "a return takes no offset", "it is watched from the function's entry")
	}
	p.Return = isReturn
	return p, err
}

func parseBody(s string) (Place, *Error) {
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		return parseAddress(s)
	}
	module, name, found := strings.Cut(s, ":")
	at := len(module) + 1 // where name begins in s
	if !found {
		module, name, at = "", s, 0
	} else if err := checkModule(module); err != nil {
		return Place{}, err
	}
	p := Place{Module: strings.ReplaceAll(module, "-", "_"), Symbol: name}
	if strings.ContainsAny(name, globMeta) {
		p.Glob = true
		return p, checkGlob(name, at)
	}
	symbol, offset, found := strings.Cut(name, "+")
	p.Symbol = symbol
	if err := checkSymbol(symbol, at); err != nil {
		return p, err
	}
	if !found {
		return p, nil
	}
	at += len(symbol) + 1
	offset, last, ranges := strings.Cut(offset, "..")
	var err *Error
	if p.Offset, err = parseOffset(offset, at); err != nil || !ranges {
		return p, err
	}
	at += len(offset) + len("..")
	if p.To, err = parseOffset(last, at); err == nil && p.To <= p.Offset {
		err = mistake(at, "a range ends behind its start", "")
	}
	return p, err
}

func parseAddress(s string) (Place, *Error) {
	s, last, ranges := strings.Cut(s, "..")
	p, err := parseOne(s)
	if err != nil || !ranges {
		return p, err
	}
	at := len(s) + len("..")
	if !strings.HasPrefix(last, "0x") && !strings.HasPrefix(last, "0X") {
		return p, mistake(at, "a range of addresses ends with an address", "write it in hex after 0x")
	}
	end, err := parseOne(last)
	switch {
	case err != nil:
		err.Col += at
	case end.Addr <= p.Addr:
		err = mistake(at, "a range ends behind its start", "")
	}
	p.To = end.Addr
	return p, err
}

func parseOne(s string) (Place, *Error) {
	addr, err := strconv.ParseUint(s[2:], 16, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return Place{}, mistake(2, "the address does not fit 64 bits", "")
	case err != nil && strings.Contains(s, "+"):
		return Place{}, mistake(strings.IndexByte(s, '+'), "an address takes no offset", "add it to the address")
	case err != nil:
		return Place{}, mistake(2, "an address is hex digits after 0x", "")
	case addr == 0:
		return Place{}, mistake(0, "address 0 is no code", "with kptr_restrict set /proc/kallsyms shows zeros")
	}
	return Place{Addr: addr}, nil
}

func parseOffset(s string, at int) (uint64, *Error) {
	base, digits := 10, s
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		base, digits = 16, s[2:]
	}
	offset, err := strconv.ParseUint(digits, base, 64)
	switch {
	case err == nil:
		return offset, nil
	case errors.Is(err, strconv.ErrRange):
		return 0, mistake(at, "the offset does not fit 64 bits", "")
	case strings.HasPrefix(s, "-"):
		return 0, mistake(at, "an offset can't be negative", "name the function that holds the address")
	case s == "":
		return 0, mistake(at, "no offset after +", "")
	}
	return 0, mistake(at, fmt.Sprintf("offset %q is no number", s), "write it in decimal, or in hex after 0x")
}

func checkModule(s string) *Error {
	if s == "" {
		return mistake(0, "no module before :", "")
	}
	if strings.ContainsAny(s, globMeta) {
		return mistake(strings.IndexAny(s, globMeta), "a module's name can't be a pattern", "")
	}
	return checkChars(s, 0, "_-", "a module's name")
}

func checkSymbol(s string, at int) *Error {
	switch {
	case s == "":
		return mistake(at, "no symbol", "")
	case strings.HasPrefix(s, "0x"):
		return mistake(at, "an address takes no module", "")
	case isDigit(s[0]), isBareAddress(s):
		return mistake(at, fmt.Sprintf("%s is no symbol", s), "an address is written in hex after 0x")
	}
	if i := strings.IndexByte(s, '-'); i >= 0 {
		return mistake(at+i, "an offset can't be negative", "name the function that holds the address")
	}
	return checkChars(s, at, "_.$", "a symbol")
}

func checkGlob(s string, at int) *Error {
	if i := strings.IndexByte(s, '+'); i >= 0 {
		return mistake(at+i, "a glob takes no offset", "name one function")
	}
	if err := checkChars(s, at, "_.$*?[]^-", "a glob"); err != nil {
		return err
	}
	if _, err := path.Match(s, ""); err != nil {
		return mistake(at+strings.IndexByte(s, '['), "the glob's [ is not closed, or is empty", "")
	}
	return nil
}

// checkChars refuses the first byte of s that is no letter, digit or one of also.
func checkChars(s string, at int, also, what string) *Error {
	for i, c := range s {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && !(c < 0x80 && isDigit(byte(c))) && !strings.ContainsRune(also, c) {
			return mistake(at+i, fmt.Sprintf("%q can't stand in %s", c, what), "")
		}
	}
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isBareAddress knows an address as /proc/kallsyms prints it, where a person
// forgot the 0x: no kernel symbol looks like that.
func isBareAddress(s string) bool {
	_, err := strconv.ParseUint(s, 16, 64)
	return err == nil && len(s) == 16
}
