package patch

// A format says where a table is and what its entries are.
type format struct {
	kind        Kind
	section     string
	start, stop string // symbols
	strides     []int  // bytes of an entry, as kernels have had it
	decode      func(record) Entry
}

// A record is an entry as it lies there.
type record struct {
	addr  uint64
	bytes []byte
}

// absolute is an address.
func (r record) absolute() uint64 { return le.Uint64(r.bytes) }

// relative is an address by its distance from the word that tells it.
func (r record) relative(at int) uint64 {
	return r.addr + uint64(at) + uint64(int32(le.Uint32(r.bytes[at:])))
}

func (r record) short(at int) int { return int(le.Uint16(r.bytes[at:])) }

var (
	words    = []int{8}
	relative = []int{4}
)

// formats are those of all kinds but Blacklist.
var formats = [Blacklist]format{
	Ftrace: {Ftrace, "", "__start_mcount_loc", "__stop_mcount_loc", words, place64},

	// 9ae033aca8d6 (4.20): the entries of x86 became relative.
	JumpLabel: {JumpLabel, "", "__start___jump_table", "__stop___jump_table", []int{16}, jumpLabel},

	StaticCall: {StaticCall, "", "__start_static_call_sites", "__stop_static_call_sites", []int{8}, staticCall},

	// d6e2cc564775 (5.16): arm64's grew from 8 bytes.
	Exception: {Exception, "__ex_table", "__start___ex_table", "__stop___ex_table", []int{12, 8}, exception},

	// 16 bytes are seen in 7.3, where the format of a WARN's text came in.
	Bug: {Bug, "__bug_table", "__start___bug_table", "__stop___bug_table", []int{12, 16}, bug},

	// 5d1dd961e743 (6.5) made room for flags.
	Alternative: {Alternative, ".altinstructions", "__alt_instructions", "__alt_instructions_end", []int{12, 14}, alternative},

	Retpoline: {Retpoline, ".retpoline_sites", "__retpoline_sites", "__retpoline_sites_end", relative, place32},
	Return:    {Return, ".return_sites", "__return_sites", "__return_sites_end", relative, place32},
	CallSite:  {CallSite, ".call_sites", "__call_sites", "__call_sites_end", relative, place32},
	Endbr:     {Endbr, ".ibt_endbr_seal", "__ibt_endbr_seal", "__ibt_endbr_seal_end", relative, place32},
	Lock:      {Lock, ".smp_locks", "__smp_locks", "__smp_locks_end", relative, place32},
	Paravirt:  {Paravirt, ".parainstructions", "__parainstructions", "__parainstructions_end", []int{16}, paravirt},
}

func place64(r record) Entry { return Entry{Addr: r.absolute()} }

// place32: tables are filled up with zeros.
func place32(r record) Entry {
	if le.Uint32(r.bytes) == 0 {
		return Entry{}
	}
	return Entry{Addr: r.relative(0)}
}

// jumpLabel: s32 code, s32 target, s64 key with two flags.
func jumpLabel(r record) Entry {
	key := r.addr + 8 + le.Uint64(r.bytes[8:])
	return Entry{Addr: r.relative(0), Target: r.relative(4), Ref: key &^ 3}
}

// staticCall: s32 code, s32 key with two flags.
func staticCall(r record) Entry {
	key := r.relative(4)
	return Entry{Addr: r.relative(0), Ref: key &^ 3, Flag: key&1 != 0}
}

// exception: s32 code, s32 fixup and how it is mended.
func exception(r record) Entry { return Entry{Addr: r.relative(0), Target: r.relative(4)} }

// bug: s32 code, [s32 format,] s32 file, u16 line, u16 flags.
func bug(r record) Entry {
	at := len(r.bytes) - 8
	const warning = 1
	return Entry{Addr: r.relative(0), Ref: r.relative(at), Number: r.short(at + 4), Flag: r.bytes[at+6]&warning != 0}
}

// alternative: s32 code, s32 replacement, u16 feature with a flag on top, or u16
// feature and u16 flags; u8 length of the code, u8 length of the replacement.
func alternative(r record) Entry {
	const inverted = 1 << 15
	feature, tail := r.short(8), r.bytes[10:]
	flag := feature&inverted != 0
	if len(r.bytes) == 14 {
		flag, tail = r.bytes[10]&1 != 0, r.bytes[12:]
	}
	e := Entry{Addr: r.relative(0), Size: int(tail[0]), Target: r.relative(4), Number: feature &^ inverted, Flag: flag}
	if tail[0] == 0 || tail[1] > tail[0] { // it can't be one
		e.Size = -1
	}
	return e
}

// paravirt: u64 code, u8 type, u8 length and padding.
func paravirt(r record) Entry {
	return Entry{Addr: r.absolute(), Size: int(r.bytes[9]), Number: int(r.bytes[8])}
}
