package object

import "go/token"

// Vars is the map of a handler file's variables: one value, each variable at its
// Field's offset.
const Vars = "vars"

// SiteOffset is where a handler's record tells which of the file's records it is,
// a u64 behind the header; its fields follow.
const (
	SiteOffset = HeaderSize
	SiteSize   = 8
)

// MapKind is a kind of BPF map.
type MapKind uint8

// The kinds.
const (
	ArrayMap MapKind = iota
	HashMap
	PerCPUArray
	StackMap // stack traces by their id
)

// Map is a map that a handler file declares, or needs for what it says.
type Map struct {
	Name               string
	Kind               MapKind
	KeySize, ValueSize int
	Entries            int
	Hist               bool   // entry i counts values of i bits
	Init               []byte // of the only entry
	Key, Value         Field
	Fields             []Field // of the only entry, for Vars
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
	Fields []Field
	Size   int // with the header
}

// Handler is a handler compiled for one target.
type Handler struct {
	Program
	Name  string
	Lines []token.Position // of each instruction; zero where no line caused it
}
