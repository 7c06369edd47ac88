package disasm

import (
	"encoding/hex"
	"strings"

	"golang.org/x/arch/x86/x86asm"
)

// bare are the instructions that x86asm can't read or reads wrong and that are
// one row of bytes, with the registers that they use unasked, as objdump shows them.
var bare = map[string]string{
	"\xf3\x0f\x1e\xfa": "endbr64",
	"\xf3\x0f\x1e\xfb": "endbr32",
	"\xcc":             "int3",
	"\xd6":             "udb",
	"\xf1":             "int1",
	"\x0f\x01\xc0":     "enclv",
	"\x0f\x01\xc1":     "vmcall",
	"\x0f\x01\xc2":     "vmlaunch",
	"\x0f\x01\xc3":     "vmresume",
	"\x0f\x01\xc4":     "vmxoff",
	"\x0f\x01\xc5":     "pconfig",
	"\x0f\x01\xc6":     "wrmsrns",
	"\x0f\x01\xc8":     "monitor rax ecx edx",
	"\x0f\x01\xc9":     "mwait eax ecx",
	"\x0f\x01\xca":     "clac",
	"\x0f\x01\xcb":     "stac",
	"\xf2\x0f\x01\xca": "erets",
	"\xf3\x0f\x01\xca": "eretu",
	"\x66\x0f\x01\xcc": "tdcall",
	"\x66\x0f\x01\xcd": "seamret",
	"\x66\x0f\x01\xce": "seamops",
	"\x66\x0f\x01\xcf": "seamcall",
	"\x0f\x01\xcf":     "encls",
	"\x0f\x01\xd7":     "enclu",
	"\x0f\x01\xd4":     "vmfunc",
	"\x0f\x01\xd5":     "xend",
	"\x0f\x01\xd6":     "xtest",
	"\x0f\x01\xd8":     "vmrun",
	"\x0f\x01\xda":     "vmload",
	"\x0f\x01\xdb":     "vmsave",
	"\x0f\x01\xde":     "skinit",
	"\x0f\x01\xdf":     "invlpga",
	"\x0f\x01\xd9":     "vmmcall",
	"\xf3\x0f\x01\xd9": "vmgexit",
	"\xf2\x0f\x01\xd9": "vmgexit",
	"\x0f\x01\xdc":     "stgi",
	"\x0f\x01\xdd":     "clgi",
	"\x0f\x01\xe8":     "serialize",
	"\xf3\x0f\x01\xe8": "setssbsy",
	"\xf3\x0f\x01\xea": "saveprevssp",
	"\xf2\x0f\x01\xe8": "xsusldtrk",
	"\xf2\x0f\x01\xe9": "xresldtrk",
	"\x0f\x01\xee":     "rdpkru",
	"\x0f\x01\xef":     "wrpkru",
	"\x0f\x01\xfa":     "monitorx rax ecx edx",
	"\x0f\x01\xfb":     "mwaitx eax ecx ebx",
	"\x0f\x01\xfd":     "rdpru",
	"\xf2\x0f\x01\xfd": "rmpquery",
	"\xf3\x0f\x01\xfd": "rmpread",
	"\x0f\x01\xfe":     "invlpgb",
	"\xf2\x0f\x01\xfe": "rmpupdate",
	"\xf3\x0f\x01\xfe": "rmpadjust",
	"\x0f\x01\xff":     "tlbsync",
	"\xf2\x0f\x01\xff": "pvalidate",
	"\xf3\x0f\x01\xff": "psmash",
	"\xf3\x0f\x09":     "wbnoinvd",
	"\xf3\x0f\xa6\xc0": "repz montmul",
	"\xf3\x0f\xa6\xc8": "repz xsha1",
	"\xf3\x0f\xa6\xd0": "repz xsha256",
	"\x0f\xa7\xc0":     "xstore-rng",
	"\xf3\x0f\xa7\xc0": "repz xstore-rng",
	"\xf3\x0f\xa7\xc8": "repz xcrypt-ecb",
	"\xf3\x0f\xa7\xd0": "repz xcrypt-cbc",
	"\xf3\x0f\xa7\xd8": "repz xcrypt-ctr",
	"\xf3\x0f\xa7\xe0": "repz xcrypt-cfb",
	"\xf3\x0f\xa7\xe8": "repz xcrypt-ofb",
	"\xc5\xf8\x77":     "vzeroupper",
	"\xc5\xfc\x77":     "vzeroall",

	"\xc4\xe2\x78\x49\xc0": "tilerelease",
}

// grouped are more of them, which have operands. The key is the mandatory prefix,
// the opcode, and the digit in the middle of ModRM if it belongs to the opcode,
// with m or r for an operand in memory or in a register. Behind the name are the
// operands in Intel's order:
//
//	G  the register of ModRM, E the other operand: as wide as the operation
//	Gy Ey  the same, 32 or 64 bits    Ed Ew  32, 16    Rq Gq  64    Mb Mq  memory
//	M  memory of a width that is not written
//
// A name that ends in * gets d or q for the width.
var grouped = map[string]string{
	"f2 0f00/6m": "lkgs Ew", "f2 0f00/6r": "lkgs E",
	"f3 0f01/5m": "rstorssp M",
	"0f1c/0m":    "cldemote Mb",
	"f3 0f1e/1r": "rdssp* Ey",
	"66 0f3880m": "invept Gq M",
	"66 0f3881m": "invvpid Gq M",
	"66 0f38f5m": "wruss* M Gy",
	"66 0f38f6m": "adcx Gy Ey", "66 0f38f6r": "adcx Gy Ey",
	"f3 0f38f6m": "adox Gy Ey", "f3 0f38f6r": "adox Gy Ey",
	"0f38f6m":    "wrss* M Gy",
	"66 0f38f8m": "movdir64b Gq M",
	"f2 0f38f8m": "enqcmd Gq M",
	"f3 0f38f8m": "enqcmds Gq M",
	"0f38f9m":    "movdiri Ey Gy",
	"0f78m":      "vmread Rq Gq", "0f78r": "vmread Rq Gq",
	"0f79m": "vmwrite Gq Rq", "0f79r": "vmwrite Gq Rq",
	"f3 0fae/4m": "ptwrite Ey", "f3 0fae/4r": "ptwrite Ey",
	"f3 0fae/5r": "incssp* Ey",
	"66 0fae/6m": "clwb Mb", "66 0fae/6r": "tpause Ed",
	"f2 0fae/6r": "umwait Ed",
	"f3 0fae/6m": "clrssbsy M", "f3 0fae/6r": "umonitor Rq",
	"66 0fae/7m": "clflushopt Mb",
	"0fb9m":      "ud1 G E", "0fb9r": "ud1 G E",
	"0fc7/6m": "vmptrld Mq", "0fc7/6r": "rdrand E", "66 0fc7/6r": "rdrand E",
	"66 0fc7/6m": "vmclear Mq",
	"f3 0fc7/6m": "vmxon Mq", "f3 0fc7/6r": "senduipi Rq",
	"0fc7/7m": "vmptrst Mq", "0fc7/7r": "rdseed E", "66 0fc7/7r": "rdseed E",
	"f3 0fc7/7r": "rdpid Rq",
	"0fffm":      "ud0 G E", "0fffr": "ud0 G E",
}

// own fills the form of an instruction out of our own tables.
func (f *form) own() bool {
	text, ok := bare[string(f.in.Bytes)]
	if ok {
		name, rest, _ := strings.Cut(text, " ")
		if name == "repz" {
			name, rest = text, ""
		}
		f.name = name
		f.isImplied = rest != ""
		for r := range strings.FieldsSeq(rest) {
			f.args = append(f.args, implied[r])
		}
		return true
	}
	return f.group()
}

var implied = map[string]x86asm.Reg{
	"eax": x86asm.EAX, "ebx": x86asm.EBX, "ecx": x86asm.ECX, "edx": x86asm.EDX, "rax": x86asm.RAX,
}

// group reads an instruction by the table of groups.
func (f *form) group() bool {
	text, ok := f.groupText()
	if !ok {
		return false
	}
	words := strings.Fields(text)
	f.dataSize = f.operandSize()
	f.name = words[0]
	if name, ok := strings.CutSuffix(f.name, "*"); ok {
		f.name = name + map[int]string{16: "d", 32: "d", 64: "q"}[f.dataSize]
	}
	for _, kind := range words[1:] {
		f.args = append(f.args, f.groupArg(kind))
	}
	return true
}

// groupText looks the instruction up in the table of groups.
func (f *form) groupText() (string, bool) {
	op, modrm := f.opcode(), f.modrm()
	if f.layout.vector || op[0] != 0x0f || len(modrm) == 0 {
		return "", false
	}
	key, kind := f.mandatory()+hex.EncodeToString(op[:len(op)-len(modrm)]), "m"
	if modrm[0]>>6 == 3 {
		kind = "r"
	}
	if text, ok := grouped[key+kind]; ok {
		return text, true
	}
	text, ok := grouped[key+"/"+string(rune('0'+f.reg()))+kind]
	return text, ok
}

// mandatory is the prefix that belongs to the opcode: the last of f2 and f3, or 66.
func (f *form) mandatory() string {
	word := ""
	for _, b := range f.prefixes() {
		switch {
		case b == 0x66 && word == "":
			word = "66 "
		case b == 0xf2:
			word = "f2 "
		case b == 0xf3:
			word = "f3 "
		}
	}
	return word
}

// reg is the field in the middle of ModRM.
func (f *form) reg() byte { return f.modrm()[0] >> 3 & 7 }

// operandSize is the width that prefixes give an operation, in bits.
func (f *form) operandSize() int {
	switch {
	case f.width.rexW:
		return 64
	case f.width.word:
		return 16
	}
	return 32
}

// groupArg is an operand of the table of groups.
func (f *form) groupArg(kind string) x86asm.Arg {
	r, _, b := f.extensions()
	number := f.modrm()[0] & 7
	if kind[0] == 'G' {
		number = f.reg()
		b = r
	}
	size := f.argSize(kind)
	if kind[0] != 'G' && f.modrm()[0]>>6 != 3 {
		f.memBytes = size / 8
		return x86asm.Mem{}
	}
	return general[size] + x86asm.Reg(number+b)
}

var general = map[int]x86asm.Reg{16: x86asm.AX, 32: x86asm.EAX, 64: x86asm.RAX}

// argSize is the width of an operand of the table of groups, in bits.
func (f *form) argSize(kind string) int {
	switch kind[len(kind)-1] {
	case 'M':
		return 0
	case 'b':
		return 8
	case 'w':
		return 16
	case 'd':
		return 32
	case 'q':
		return 64
	case 'y':
		return max(f.dataSize, 32)
	}
	return f.dataSize
}
