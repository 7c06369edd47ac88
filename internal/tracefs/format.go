package tracefs

import (
	"fmt"
	"strconv"
	"strings"
)

// Format is where the fields of an event stand in its data.
type Format struct {
	ID     uint16 // what the data of every such event begins with
	Fields map[string]Field
}

// Field is a field's place, bytes.
type Field struct{ Offset, Size int }

// ParseFormat reads an event's file format:
//
//	ID: 1349
//	format:
//		field:int common_pid;	offset:4;	size:4;	signed:1;
//		field:__data_loc char[] name;	offset:16;	size:4;	signed:1;
//		field:u64 words[2];	offset:20;	size:16;	signed:0;
func ParseFormat(text string) (Format, error) {
	f := Format{Fields: map[string]Field{}}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if id, ok := strings.CutPrefix(line, "ID: "); ok {
			n, err := strconv.ParseUint(id, 10, 16)
			if err != nil {
				return f, fmt.Errorf("format of an event: %w", err)
			}
			f.ID = uint16(n)
		}
		if declaration, ok := strings.CutPrefix(line, "field:"); ok {
			if err := f.field(declaration); err != nil {
				return f, fmt.Errorf("format of an event, %q: %w", line, err)
			}
		}
	}
	if f.ID == 0 || len(f.Fields) == 0 {
		return f, fmt.Errorf("format of an event: no id or no fields in %q", text)
	}
	return f, nil
}

func (f Format) field(declaration string) error {
	parts := strings.Split(declaration, ";")
	if len(parts) < 3 {
		return fmt.Errorf("%d parts, not 3", len(parts))
	}
	words := strings.Fields(parts[0])
	if len(words) == 0 {
		return fmt.Errorf("no name")
	}
	name, _, _ := strings.Cut(words[len(words)-1], "[")
	offset, err1 := number(parts[1], "offset:")
	size, err2 := number(parts[2], "size:")
	if err1 != nil || err2 != nil {
		return fmt.Errorf("no offset or no size")
	}
	f.Fields[name] = Field{offset, size}
	return nil
}

func number(text, before string) (int, error) {
	return strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(text), before))
}

// Bytes returns the field's bytes of an event's data, nil if that is too short.
func (f Field) Bytes(data []byte) []byte {
	if f.Offset < 0 || f.Size < 0 || f.Offset+f.Size > len(data) {
		return nil
	}
	return data[f.Offset:][:f.Size]
}

// Uint returns the field as a number, 0 if the data is too short.
func (f Field) Uint(data []byte) uint64 {
	var word [8]byte
	copy(word[:], f.Bytes(data))
	return le.Uint64(word[:])
}

// Dynamic returns what a field of type __data_loc leads to: its word has the
// length in the upper half and in the lower the bytes from the data's start.
func (f Field) Dynamic(data []byte) []byte {
	word := f.Uint(data)
	return Field{int(word & 0xffff), int(word >> 16 & 0xffff)}.Bytes(data)
}
