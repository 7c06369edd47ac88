// Package value turns raw bytes and their BTF type into typed values, as data
// and as text or JSON. It promises valid JSON for any bytes, never more output
// than a fixed number of fields, and it never reads memory: what stands behind a
// pointer is an address unless the caller supplies it.
//
// A type is compiled once into a tree of decoders, one for each member; a hit
// then costs a walk of that tree from the raw bytes straight into the output,
// without an allocation. The same tree builds a Value for those who want data.
//
//	            text                     JSON
//	integer     -1                       -1, a string beyond ±2^53
//	bool        true                     true
//	pointer     0xffff888003a1c000       "0xffff888003a1c000"
//	enum        TCP_CLOSE, 77            "TCP_CLOSE", 77
//	char *      "/etc/passwd"            "/etc/passwd", null if not readable
//	char[16]    "bash"                   "bash"
//	struct      {.a=1, .b={.c=2}}        {"a":1,"b":{"c":2}}
//	array       [1, 2, … 14 more]        [1,2,"… 14 more"]
//	float       0x3f800000               "0x3f800000", its raw bits
//	void        void                     null
//	no bytes    ?                        null
package value

// A Kind says how a Value is to be read.
type Kind uint8

const (
	Missing Kind = iota // its bytes were not there
	Void
	Int     // Bits, as int64
	Uint    // Bits
	Bool    // Bits, 0 or 1
	Pointer // Bits, the address
	Code    // Bits, the address of a function
	Enum    // Text, the name of the constant in Bits
	String  // Text; Bits is where it was, 0 within its parent
	NoText  // Bits, the address at which no text could be read
	Struct  // Fields, the members; also of a union, where they overlap
	Array   // Fields, the elements
	Raw     // Text, hexadecimal: a float, or an integer of more than 64 bits
)

// A Value is one typed value. An enum whose number has no name, as of or-ed
// flags, is an Int or Uint.
type Value struct {
	Name   string // of the parameter or member; "" of an element
	Type   string // in C's spelling
	Kind   Kind
	Bits   uint64
	Text   string
	Fields []Value
	More   int // fields left out; of a String, 1 if it was cut off
}

// AppendText appends name=value, or the value alone if it has no name.
func (v Value) AppendText(dst []byte) []byte {
	return v.append(appendName(dst, v.Name), text)
}

// AppendJSON appends the value, without its name, as JSON.
func (v Value) AppendJSON(dst []byte) []byte { return v.append(dst, json) }

// MarshalJSON is AppendJSON for encoding/json.
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// String is AppendText for fmt.
func (v Value) String() string { return string(v.AppendText(nil)) }

func (v *Value) append(dst []byte, f form) []byte {
	switch v.Kind {
	case Struct:
		dst = append(dst, '{')
		for i := range v.Fields {
			dst = v.Fields[i].append(f.key(dst, i, v.Fields[i].Name), f)
		}
		return append(f.more(dst, len(v.Fields), v.More, true), '}')
	case Array:
		dst = append(dst, '[')
		for i := range v.Fields {
			dst = v.Fields[i].append(f.comma(dst, i), f)
		}
		return append(f.more(dst, len(v.Fields), v.More, false), ']')
	case String:
		return appendString(dst, f, v.Text, v.More > 0)
	case Enum, Raw:
		return f.word(dst, v.Text)
	}
	return appendScalar(dst, f, v.Kind, v.Bits)
}
