package site

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"ktrap/internal/disasm"
	"ktrap/internal/patch"
)

// Functions of Debian's kernels, as the symbol table cuts them.
const (
	// 5.10.0-46, vfs_fsync_range: begins with the call to ftrace.
	fsync510 = "e8bb34d5ff488b4728488b80880000004885c0746d41544989f4554889fd4883ec1085c97513488bb7f0000000488b3ef687990000000875124883c4104c89e64889ef5d415ce925af8f00be01000000894c240c48891424e803a0ffff488b45288b4c240c4c89e6488b14244889ef488b80880000004883c4105d415ce9eeae8f00b8eaffffffe9b4b68f000f1f4000"
	// 6.12.117, the same: begins with endbr64; int3 behind each tail jump.
	fsync612 = "f30f1efae8d74cc0ff488b4710488b80800000004885c07469554889f5534889fb4883ec1085c97510488b7718488b3ef687910000000875124883c4104889ee4889df5b5de926428400ccbe08000000894c240c48891424e8b377ffff488b43108b4c240c4889ee488b14244889df488b80800000004883c4105b5de9ef418400ccb8eaffffffe9144e84000f1f4000"
	// 7.3.4, the same as the running kernel has it: the endbr sealed.
	fsync73 = "0f1f40d60f1f440000488b4708488b80800000004885c07459534889fb4883ec1885c9740e4883c4184889df5be90e409500cc488b4710894c24144889542408488b3848893424e8448dffff488b43088b4c24144889df488b542408488b3424488b80800000004883c4185be9cf3f9500ccb8eaffffffe9f44b95000f1f4000"
)

const start = 0xffffffff81306eb0

// ask is a query at an offset of a traceable function of a 6.12 kernel on
// which every list is known and empty.
func ask(t testing.TB, code string, offset uint64, change ...func(*Query)) Query {
	t.Helper()
	bytes, err := hex.DecodeString(strings.ReplaceAll(code, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	q := Query{
		Addr:   start + offset,
		InText: Yes,
		Code:   bytes,
		Func:   Func{Name: "vfs_fsync_range", Addr: start, Size: uint64(len(bytes)), Traceable: Yes},
		Kernel: &Kernel{Release: [2]int{6, 12}, Blacklist: []Range{}, Patches: tables()},
	}
	for _, c := range change {
		c(&q)
	}
	return q
}

// tables are those that a running kernel keeps, with these entries.
func tables(entries ...patch.Entry) *patch.Table { return patch.Make(entries, patch.Kept()...) }

// patches puts an entry into the tables.
func patches(kind patch.Kind, offset uint64, size int) func(*Query) {
	return func(q *Query) {
		q.Kernel.Patches = tables(patch.Entry{Kind: kind, Addr: start + offset, Size: size})
	}
}

func arm64(q *Query) { q.Kernel.Arch = disasm.ARM64 }

// lastOfModule makes the function end where a module's text does.
func lastOfModule(q *Query) {
	q.Func.Module = "unix"
	q.Func.Addr &^= 4095
	q.Addr += q.Func.Addr - start
}

func release(major, minor int) func(*Query) {
	return func(q *Query) { q.Kernel.Release = [2]int{major, minor} }
}

func TestEachRuleRefusesItsPlacesAndNoOthers(t *testing.T) {
	returns := func(q *Query) { q.Return = true }
	unsafe := func(q *Query) { q.Unsafe = true }
	blacklisted := func(q *Query) { q.Kernel.Blacklist = []Range{{start, start + 0x90, "vfs_fsync_range"}} }
	tracedByName := func(q *Query) { q.Func.Traceable = Yes }
	named := func(name string) func(*Query) { return func(q *Query) { q.Func.Name = name } }
	for _, c := range []struct {
		name   string
		code   string
		offset uint64
		change []func(*Query)
		reason Reason // "" is allowed
		errno  string
	}{
		{"an instruction of 5.10", fsync510, 0x5, []func(*Query){release(5, 10)}, "", ""},
		{"an instruction of 6.12", fsync612, 0x9, nil, "", ""},
		{"an instruction of 7.3", fsync73, 0x9, []func(*Query){release(7, 3)}, "", ""},
		{"the ftrace site of 5.10", fsync510, 0, []func(*Query){release(5, 10)}, "", ""},
		{"an endbr", fsync612, 0, nil, "", ""},
		{"the ftrace site behind an endbr", fsync612, 4, nil, "", ""},
		{"the last byte of an endbr", fsync612, 3, nil, InsideInstruction, "EILSEQ"},
		{"inside the ftrace site", fsync73, 5, []func(*Query){release(7, 3)}, InsideInstruction, "EILSEQ"},
		{"inside the ftrace site of a blacklisted function, 5.10", fsync510, 3, []func(*Query){release(5, 10), patches(patch.Ftrace, 0, 5), blacklisted}, InsideInstruction, "EILSEQ"},
		{"the same, where the kernel's table is not known", fsync510, 3, []func(*Query){release(5, 10), tracedByName, blacklisted}, InsideInstruction, "EILSEQ"},
		{"inside the ftrace site of a blacklisted function, 6.12", fsync612, 6, []func(*Query){patches(patch.Ftrace, 4, 5), blacklisted}, Blacklisted, "EINVAL"},
		{"inside an instruction", fsync510, 0x1c, []func(*Query){release(5, 10)}, InsideInstruction, "EILSEQ"},
		{"an instruction behind an int3", fsync612, 0x4b, nil, "", ""},
		{"the padding at the end", fsync612, 0x8c, nil, "", ""},
		{"behind bytes that are no instruction", "55 06 55", 2, nil, Undecodable, "EILSEQ"},
		{"before them", "55 06 55", 0, nil, "", ""},

		{"an address without a symbol", fsync612, 0, []func(*Query){func(q *Query) { q.Func, q.Code, q.InText = Func{}, nil, No }}, OutsideText, "ENOENT"},
		{"the same before 5.18", fsync612, 0, []func(*Query){release(5, 10), func(q *Query) { q.Func, q.Code, q.InText = Func{}, nil, No }}, OutsideText, "EINVAL"},
		{"a variable", fsync612, 0, []func(*Query){named("jiffies"), func(q *Query) { q.InText = No }}, OutsideText, "EINVAL"},
		{"text without a symbol", fsync612, 0, []func(*Query){func(q *Query) { q.Func = Func{} }}, NoSymbol, "ENOENT"},

		{"the last byte of a function", fsync612, 0x8f, nil, InsideInstruction, "EILSEQ"},
		{"the first byte behind it", fsync612, 0x90, nil, BeyondFunction, ""},

		{"a return probe at the entry", fsync510, 0, []func(*Query){returns, release(5, 10)}, "", ""},
		{"a return probe at +4 behind an endbr", fsync612, 4, []func(*Query){returns}, "", ""},
		{"a return probe at +4 where there is no endbr", "55 4889e5 c3", 4, []func(*Query){returns}, ReturnNotAtEntry, "EINVAL"},
		{"a return probe behind the entry", fsync612, 9, []func(*Query){returns}, ReturnNotAtEntry, "EINVAL"},
		{"a return probe on __switch_to", fsync612, 0, []func(*Query){returns, named("__switch_to")}, NoReturn, "EINVAL"},
		{"a probe on __switch_to", fsync612, 0, []func(*Query){named("__switch_to")}, "", ""},

		{"a blacklisted function", fsync612, 9, []func(*Query){func(q *Query) {
			q.Kernel.Blacklist = []Range{{start, start + 0x90, "vfs_fsync_range"}}
		}}, Blacklisted, "EINVAL"},
		{"the neighbour of one", fsync612, 9, []func(*Query){func(q *Query) {
			q.Kernel.Blacklist = []Range{{start - 0x90, start, "before"}, {start + 0x90, start + 0x99, "behind"}}
		}}, "", ""},
		{"the cold part of one", fsync612, 9, []func(*Query){named("do_int3.cold"), func(q *Query) {
			q.Func.Base, q.Kernel.Blacklist = 0x1000, []Range{{0x1000, 0x1001, "do_int3"}}
		}}, Blacklisted, "EINVAL"},
		{"the cold part of another", fsync612, 9, []func(*Query){named("do_int4.cold"), func(q *Query) {
			q.Func.Base, q.Kernel.Blacklist = 0x2000, []Range{{0x1000, 0x1001, "do_int3"}}
		}}, "", ""},

		{"a jump label", fsync612, 0x4b, []func(*Query){patches(patch.JumpLabel, 0x4b, 5)}, JumpLabel, "EINVAL"},
		{"behind a jump label", fsync612, 0x50, []func(*Query){patches(patch.JumpLabel, 0x4b, 5)}, "", ""},
		{"a static call", fsync612, 0x58, []func(*Query){patches(patch.StaticCall, 0x58, 5)}, StaticCall, "EINVAL"},
		{"a BUG", "55 0f0b 5d", 1, []func(*Query){patches(patch.Bug, 1, 2)}, Bug, "EINVAL"},

		{"padding before a function", fsync612, 9, []func(*Query){named("__pfx_vfs_fsync_range")}, CFIPrefix, "EINVAL"},
		{"a CFI type before a function", fsync612, 9, []func(*Query){named("__cfi_vfs_fsync_range")}, CFIPrefix, "EINVAL"},

		{"a function that ftrace can't trace", fsync612, 9, []func(*Query){func(q *Query) { q.Func.Traceable = No }}, Notrace, "EINVAL"},
		{"the same where the kernel allows it", fsync612, 9, []func(*Query){func(q *Query) { q.Func.Traceable, q.Kernel.NotraceAllowed = No, true }}, "", ""},

		{"an int3", fsync612, 0x4a, nil, Int3Padding, "EILSEQ"},
		{"an int3 up to 6.8", fsync612, 0x4a, []func(*Query){release(6, 1)}, Int3Padding, "EINVAL"},
		{"a ud2 that is no BUG", "55 0f0b 5d", 1, nil, UD, "EILSEQ"},
		{"a ud1", "55 0fb9cc", 1, nil, UD, "EILSEQ"},
		{"a ud2 that is no BUG up to 6.8", "55 0f0b 5d", 1, []func(*Query){release(6, 1)}, "", ""},
		{"an int", "55 cd80", 1, nil, UD, "EILSEQ"},
		{"cpuid for Xen", "55 0f0b78656e0fa2 c3", 1, nil, Emulated, "EINVAL"},
		{"cpuid", "55 0fa2 c3", 1, nil, "", ""},
		{"mov to ss", "55 8ed0 c3", 1, nil, MasksExceptions, "EINVAL"},
		{"mov to ds", "55 8ed8 c3", 1, nil, "", ""},
		{"iretq", "55 48cf", 1, nil, FarBranch, "EOPNOTSUPP"},
		{"iretq on 5.10", "55 48cf", 1, []func(*Query){release(5, 10)}, FarBranch, "EOPNOTSUPP"},
		{"ljmp *0x20(%rax)", "55 ff6820", 1, nil, FarBranch, "EOPNOTSUPP"},
		{"vmcall", "55 0f01c1", 1, nil, VirtualMachine, "EOPNOTSUPP"},
		{"sgdt", "55 0f0100", 1, nil, "", ""},
		{"clac", "55 0f01ca", 1, nil, "", ""},
		{"call *0x10(%rax)", "55 ff5010 c3", 1, nil, IndirectMemory, "EOPNOTSUPP"},
		{"jmp *table(,%rax,8)", "55 ff24c500008081", 1, nil, IndirectMemory, "EOPNOTSUPP"},
		{"call *%rax", "55 ffd0 c3", 1, nil, "", ""},
		{"push 0x10(%rax)", "55 ff7010 c3", 1, nil, "", ""},
		{"cs call", "55 2ee801020304", 1, nil, PrefixedCall, ""},
		{"cs call, wanted all the same", "55 2ee801020304", 1, []func(*Query){unsafe}, "", ""},
		{"call", "55 e801020304", 1, nil, "", ""},
		{"cs call on 7.3", "55 2ee801020304", 1, []func(*Query){release(7, 3)}, PrefixedCall, ""},
		{"vpxor, whose opcode means out alone", "55 c5f9efc0", 1, nil, "", ""},
		{"vpor, whose opcode means jmp alone", "55 c5f9ebc0", 1, nil, MistakenVector, ""},
		{"vcmpps, whose opcode means ret alone", "55 c5f8c2c000", 1, nil, MistakenVector, ""},
		{"the same, wanted all the same", "55 c5f8c2c000", 1, []func(*Query){unsafe}, "", ""},
		{"vpsraw, whose opcode means loope alone", "55 c5f9e1c0", 1, nil, MistakenVector, ""},
		{"vzeroupper, whose opcode means ja alone", "55 c5f877", 1, nil, MistakenVector, ""},
		{"loop", "55 e2fe c3", 1, nil, Misemulated, ""},
		{"loopne, wanted all the same", "55 e0fe c3", 1, []func(*Query){unsafe}, "", ""},
		{"jrcxz", "55 e3fe c3", 1, nil, "", ""},
		{"ret $8", "55 c20800", 1, nil, Misemulated, ""},
		{"lret", "55 48cb", 1, nil, Misemulated, ""},
		{"vpsllw, whose opcode means int1 alone", "55 c5f9f1c0", 1, nil, UD, "EILSEQ"},
		{"vpminsw, whose opcode means a far jump alone", "55 c5f9eac0", 1, nil, FarBranch, "EOPNOTSUPP"},
		{"jmp by a part of a register", "55 67ffe0", 1, nil, IndirectMemory, "EOPNOTSUPP"},
		{"an increment whose lock was taken out", "55 3eff00 c3", 1, nil, LockPrefix, "EINVAL"},
		{"an increment whose lock was taken out, 7.3", "55 3eff00 c3", 1, []func(*Query){release(7, 3)}, "", ""},
		{"the last function of a module, whose padding is cut", strings.Repeat("90", 4095) + "00", 9, []func(*Query){lastOfModule}, EndOfModule, ""},
		{"the same, wanted all the same", strings.Repeat("90", 4095) + "00", 9, []func(*Query){lastOfModule, unsafe}, "", ""},
		{"the same with a jump into its place", strings.Repeat("90", 18) + "ebfa" + strings.Repeat("90", 4075) + "00", 10, []func(*Query){lastOfModule}, "", ""},
		{"whose padding is whole", strings.Repeat("90", 4094) + "0000", 9, []func(*Query){lastOfModule}, "", ""},
		{"the same in the kernel", strings.Repeat("90", 4095) + "00", 9, nil, "", ""},
		{"an instruction of arm64", fsync612, 8, []func(*Query){arm64}, "", ""},
		{"inside one", fsync612, 9, []func(*Query){arm64}, Misaligned, "EINVAL"},
		{"one that may fault", fsync612, 8, []func(*Query){arm64, patches(patch.Exception, 8, 4)}, Exceptions, "EINVAL"},
		{"notrack jmp", "55 3effe0 c3", 1, nil, "", ""},
		{"an entry where kprobes know no ftrace", fsync612, 4, []func(*Query){func(q *Query) { q.Kernel.OnFtrace = No }}, FtraceSite, "EINVAL"},
		{"behind it", fsync612, 9, []func(*Query){func(q *Query) { q.Kernel.OnFtrace = No }}, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(ask(t, c.code, c.offset, c.change...))
			got := Refusal{}
			if v.Refusal != nil {
				got = *v.Refusal
			}
			if got.Reason != c.reason || got.Errno != c.errno {
				t.Errorf("refused %q with %q, want %q with %q: %v", got.Reason, got.Errno, c.reason, c.errno, v.Err())
			}
			if v.OK() != (v.Err() == nil) || v.OK() != (c.reason == "") {
				t.Errorf("OK is %v beside %v", v.OK(), v.Err())
			}
		})
	}
}

func TestTheProbeGoesBehindAnEndbr(t *testing.T) {
	for _, c := range []struct {
		name   string
		q      Query
		offset uint64
		entry  bool
	}{
		{"at the entry of 5.10", ask(t, fsync510, 0, release(5, 10)), 0, true},
		{"at the endbr", ask(t, fsync612, 0), 4, true},
		{"behind the endbr", ask(t, fsync612, 4), 4, true},
		{"at a sealed endbr", ask(t, fsync73, 0, release(7, 3)), 4, true},
		{"at an endbr before 5.18", ask(t, fsync612, 0, release(5, 15)), 0, true},
		{"in the middle", ask(t, fsync612, 9), 9, false},
		{"at the entry of unknown code", ask(t, fsync612, 0, func(q *Query) { q.Code = nil }), 0, true},
	} {
		v := Judge(c.q)
		if v.Addr != start+c.offset || v.Entry != c.entry {
			t.Errorf("%s: at %#x, entry %v; want %#x, %v", c.name, v.Addr-start, v.Entry, c.offset, c.entry)
		}
	}
}

func TestARuleWithoutFactsIsUncheckedAndNeverARefusal(t *testing.T) {
	instruction := []Reason{LockPrefix, Undecodable, InsideInstruction, UD, Int3Padding, Emulated, MasksExceptions, FarBranch, VirtualMachine, IndirectMemory, PrefixedCall, MistakenVector, Misemulated}
	for _, c := range []struct {
		name string
		q    Query
		want []Reason
	}{
		{"nothing is unknown", ask(t, fsync612, 9), nil},
		{"no code", ask(t, fsync612, 9, func(q *Query) { q.Code = nil }), instruction},
		{"code that ends before the address", ask(t, fsync612, 9, func(q *Query) { q.Code = q.Code[:9] }), instruction},
		{"code that ends inside an instruction", ask(t, "55 48", 1), instruction},
		{"a return probe at +4 of unknown code", ask(t, fsync612, 4, func(q *Query) { q.Code, q.Return = nil, true }),
			append([]Reason{ReturnNotAtEntry}, instruction...)},
		{"no lists", ask(t, fsync612, 9, func(q *Query) { q.Kernel = &Kernel{} }), []Reason{Blacklisted, JumpLabel, StaticCall, Bug}},
		{"not where the function ends", ask(t, fsync612, 9, func(q *Query) { q.Func.Size = 0 }), []Reason{BeyondFunction}},
		{"not whether it is text", ask(t, fsync612, 9, func(q *Query) { q.InText = Unknown }), []Reason{OutsideText}},
		{"not whether it is traceable", ask(t, fsync612, 9, func(q *Query) { q.Func.Traceable = Unknown }), []Reason{Notrace}},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(c.q)
			if !v.OK() {
				t.Errorf("refused: %v", v.Err())
			}
			if diff := cmp.Diff(c.want, v.Unchecked); diff != "" {
				t.Errorf("unchecked (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusalSaysWhyAndWhatIsAllowedNearby(t *testing.T) {
	module := func(q *Query) { q.Func.Name, q.Func.Module = "unix_stream_connect", "unix" }
	for _, c := range []struct {
		q    Query
		want string
	}{
		{ask(t, fsync612, 0x1c),
			"vfs_fsync_range+0x1c is inside an instruction: mov %rsi,%rbp at +0x1a is 3 bytes long; nearest places: vfs_fsync_range+0x1a, vfs_fsync_range+0x1d"},
		{ask(t, fsync612, 2),
			"vfs_fsync_range+0x2 is inside an instruction: endbr64 at +0x0 is 4 bytes long; nearest places: vfs_fsync_range, vfs_fsync_range+0x4"},
		{ask(t, fsync612, 0x4a, module),
			"unix:unix_stream_connect+0x4a (int3) is padding, or a breakpoint of another debugger; nearest places: unix:unix_stream_connect+0x45, unix:unix_stream_connect+0x4b"},
		{ask(t, "55 ff5010 cc cc", 1),
			"vfs_fsync_range+0x1 (call *0x10(%rax)) reads its target from memory; nearest places: vfs_fsync_range"},
		{ask(t, fsync612, 0x90),
			"vfs_fsync_range+0x90 is beyond the end of vfs_fsync_range, which is 0x90 bytes long; nearest places: vfs_fsync_range+0x8c"},
		{ask(t, fsync612, 9, func(q *Query) { q.Kernel.Blacklist = []Range{{start, start + 0x90, "vfs_fsync_range"}} }),
			"vfs_fsync_range+0x9 is on the kernel's kprobe blacklist"},
		{ask(t, fsync612, 9, func(q *Query) { q.Kernel.Blacklist = []Range{{start, start + 0x90, "__entry_text"}} }),
			"vfs_fsync_range+0x9 is on the kernel's kprobe blacklist, as a part of __entry_text"},
		{ask(t, fsync612, 9, func(q *Query) { q.Func.Traceable = No }),
			"vfs_fsync_range+0x9 is in a function that ftrace can't trace, and this kernel lets no perf or tracefs probe in there"},
		{ask(t, "", 0, func(q *Query) { q.Func, q.InText = Func{}, No }),
			"0xffffffff81306eb0 is outside the text of the kernel and of its modules"},
	} {
		err := Judge(c.q).Err()
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if r := (*Refusal)(nil); !errors.As(err, &r) {
			t.Errorf("%T is no *Refusal", err)
		}
	}
}

func TestTheNearestPlacesComeWithTheirInstruction(t *testing.T) {
	want := []Nearest{
		{start + 0x45, "vfs_fsync_range+0x45", "jmp 0xffffffff81b4b120"},
		{start + 0x4b, "vfs_fsync_range+0x4b", "mov $0x8,%esi"},
	}
	if diff := cmp.Diff(want, Judge(ask(t, fsync612, 0x4a)).Refusal.Nearest); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestJudgeSurvivesAnyOpcode(t *testing.T) {
	for _, escape := range []string{"", "0f"} {
		for op := range 256 {
			Judge(ask(t, fmt.Sprintf("55 %s %02x", escape, op)+strings.Repeat("00", 15), 1))
		}
	}
}
