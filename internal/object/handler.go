package object

import "go/token"

// Vars is the map of a handler file's variables: one value, each variable at its
// Field's offset.
const Vars = "ktrap.vars"

// SiteOffset is where a handler's record tells which of the file's records it is,
// a u64 behind the header; its fields follow.
const (
	SiteOffset = HeaderSize
	SiteSize   = 8
)

// PartSize is what memory begins with that a handler fills as a part of another
// program: a u64 that is not zero once the fields behind it are filled.
const PartSize = 8

// MapKind is a kind of BPF map.
type MapKind uint8

// The kinds.
const (
	ArrayMap MapKind = iota
	HashMap
	PerCPUArray
	StackMap // stack traces by their id
	PerCPUHash
)

// A Shape says what a map's values are made of.
type Shape uint8

// The shapes.
const (
	Plain Shape = iota // what Map.Value says
	Hist               // counts of 8 bytes, one for each bucket: see Scale
	Stat               // StatSize bytes
)

// Offsets of a stat's parts, and its size, bytes. The least and the greatest are
// kept as the greatest of what is unsigned and begins as zero: Up is v with its
// sign turned, Down its complement.
const (
	StatCount = 0
	StatSum   = 8
	StatUp    = 16
	StatDown  = 24
	StatSize  = 32
	StatBias  = -1 << 63 // turns a sign
)

// Bits is how many buckets a histogram of powers of two has: bucket i counts the
// values of i bits.
const Bits = 65

// Scale is that of a histogram. The zero Scale is that of powers of two; else the
// first bucket is for what is below Least, the last for what is not below Most.
type Scale struct{ Least, Most, Step int64 }

// Buckets is how many buckets a histogram has.
func (s Scale) Buckets() int {
	if s.Step == 0 {
		return Bits
	}
	return int((s.Most-s.Least+s.Step-1)/s.Step) + 2
}

// Map is a map that a handler file declares, or needs for what it says.
type Map struct {
	Name               string
	Kind               MapKind
	KeySize, ValueSize int
	Entries            int
	Hidden             bool // no variable of the file
	Shape              Shape
	Scale              Scale
	Signed             bool   // a histogram of powers of two: its last bucket is for what is below zero
	Init               []byte // of the only entry
	Key, Value         Field
	Fields             []Field // of the only entry, for Vars
	Puts               bool    // entries are written that a full map drops
	// What found no room, added up: at Over in Vars if that is above 0, for a
	// Stat in the map of the name Other.
	Over  int
	Other string
}

// FieldKind says how bytes are to be read.
type FieldKind uint8

// The kinds.
const (
	Uint FieldKind = iota
	Int
	Bool
	Pointer
	String    // up to a NUL
	Struct    // Fields
	Array     // Fields[0], as often as it fits
	Stack     // s64 size or error, then addresses
	UserStack // the same of the process
	StackID   // s64: the key of a StackMap, or an error
	Place     // u32: a point's number in its session
)

// Field is a typed part of a record, key or value.
type Field struct {
	Name         string
	Kind         FieldKind
	Offset, Size int // bytes, from the start of the record, key or value
	Fields       []Field
	Enum         uint32 // BTF id of the enum that names its values, or 0
}

// Record is what an emit or printf sends.
type Record struct {
	Format string // of printf
	Fault  bool   // it is a fault handler's
	Fields []Field
	Size   int // with the header
}

// Handler is a handler compiled for one target.
type Handler struct {
	Program
	Name  string
	Lines []token.Position // of each instruction; zero where no line caused it
}
