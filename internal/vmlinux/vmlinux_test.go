package vmlinux

import (
	"bytes"
	"strings"
	"testing"
)

var everyCompression = []string{"gzip", "bzip2", "lzma", "xz", "bcj.xz", "lzo", "lz4", "zstd"}

func TestEveryContainerAndCompressionOpens(t *testing.T) {
	x86, arm := sampleELF(), sampleImage()
	type test struct {
		file []byte
		want File
		data []byte
	}
	bz := File{Container: "bzImage", Arch: "amd64", Release: "6.12.0-sample", Build: "(who@where) #1 SMP"}
	tests := map[string]test{
		"ELF":          {x86, File{Container: "ELF", Arch: "amd64", Compression: "none"}, x86},
		"Image":        {arm, File{Container: "Image", Arch: "arm64", Compression: "none"}, arm},
		"Image.gz":     {compressed(t, "gzip", arm), File{Container: "gzip", Compression: "gzip"}, arm},
		"Image.zst":    {compressed(t, "zstd", arm), File{Container: "zstd", Compression: "zstd"}, arm},
		"plain":        {asBzImage(x86, "none", 0), File{Container: "bzImage", Arch: "amd64", Compression: "none", Release: bz.Release, Build: bz.Build}, x86},
		"UKI":          {asUKI(asBzImage(compressed(t, "lz4", x86), "lz4", len(x86))), File{Container: "UKI: bzImage", Arch: "amd64", Compression: "lz4", Release: bz.Release, Build: bz.Build}, x86},
		"UKI of zboot": {asUKI(asZboot(compressed(t, "gzip", arm), "gzip", len(arm))), File{Container: "UKI: zboot", Arch: "arm64", Compression: "gzip"}, arm},
	}
	for _, name := range everyCompression {
		want := bz
		want.Compression = strings.TrimPrefix(name, "bcj.")
		tests["bzImage of "+name] = test{asBzImage(compressed(t, name, x86), name, len(x86)), want, x86}
	}
	for _, name := range []string{"gzip", "lzma", "xz", "lz4", "zstd"} {
		want := File{Container: "zboot", Arch: "arm64", Compression: name}
		tests["zboot of "+name] = test{asZboot(compressed(t, name, arm), name, len(arm)), want, arm}
	}
	for name, called := range map[string]string{"zstd": "zstd22", "xz": "xzkern"} {
		tests["zboot of "+called] = test{asZboot(compressed(t, name, arm), called, len(arm)), File{Container: "zboot", Arch: "arm64", Compression: name}, arm}
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			f, err := Open(c.file)
			if err != nil {
				t.Fatal(err)
			}
			got := File{Container: f.Container, Arch: f.Arch, Compression: f.Compression, Release: f.Release, Build: f.Build}
			if got.Container != c.want.Container || got.Arch != c.want.Arch || got.Compression != c.want.Compression || got.Release != c.want.Release || got.Build != c.want.Build {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			kernel, err := f.Vmlinux()
			if err != nil || !bytes.Equal(kernel, c.data) {
				t.Errorf("%d bytes, %v, want the %d of the sample", len(kernel), err, len(c.data))
			}
		})
	}
}

func TestWhatIsNoKernelIsSaidSo(t *testing.T) {
	x86 := sampleELF()
	packed := compressed(t, "zstd", x86)
	bz := asBzImage(packed, "zstd", len(x86))
	changed := func(b []byte, at int, with ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], with)
		return b
	}
	bomb := compressed(t, "zstd", make([]byte, 8<<20))
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":         {nil, "open kernel image: this is none: it begins with "},
		"a script":        {[]byte("#!/bin/sh\n"), "open kernel image: this is none: it begins with 23 21 2f 62 69 6e 2f 73"},
		"cut short":       {bz[:len(bz)/2], "the header says that the kernel lies from 0x840 to"},
		"only a header":   {bz[:0x210], "open bzImage: the file is truncated"},
		"2.4":             {changed(bz, 0x206, 3, 2), "boot protocol 2.3 does not say where the kernel lies"},
		"encrypted":       {changed(bz, 0x840, 1, 2, 3, 4), "the compression is not known: the kernel begins with 01 02 03 04"},
		"damaged":         {changed(bz, 0x840+len(packed)/2, 1, 2, 3, 4), "unpack bzImage: zstd: "},
		"too long":        {asBzImage(packed, "zstd", len(x86)-1), "unpack bzImage: zstd: "},
		"too short":       {asBzImage(packed, "zstd", len(x86)+1), "bytes came out, the header says"},
		"a bomb":          {asBzImage(bomb, "zstd", 8<<20), "are said to unpack to 8388608: no kernel does that"},
		"a quiet bomb":    {bomb, "unpack zstd: zstd: "},
		"an archive":      {compressed(t, "gzip", []byte("ustar and so on, a text longer than eight bytes")), "unpack gzip: no kernel is in it: the content begins with 75 73"},
		"another zboot":   {asZboot(packed, "gzip", 0), `compressed by "gzip", but it begins with 28 b5 2f fd`},
		"an EFI program":  {asEFI(0x8664, 0x200), "an EFI program without a kernel: it has no section .linux"},
		"a boot manager":  {asUKI(asEFI(0x8664, 0x200)), "its section .linux holds an EFI program that is no kernel"},
		"an UKI of a UKI": {asUKI(asUKI(bz)), "its section .linux holds an EFI program that is no kernel"},
	} {
		f, err := Open(c.file)
		if err == nil {
			_, err = f.Vmlinux()
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want …%s…", name, err, c.want)
		}
	}
}

func TestADamagedStreamIsAnErrorInEveryCompression(t *testing.T) {
	x86 := sampleELF()
	for _, name := range everyCompression {
		packed := compressed(t, name, x86)
		for _, cut := range []int{len(packed) / 2, len(packed) - 40} {
			f, err := Open(asBzImage(packed[:cut], name, len(x86)))
			if err == nil {
				_, err = f.Vmlinux()
			}
			if err == nil {
				t.Errorf("%s cut to %d of %d bytes: no error", name, cut, len(packed))
			}
		}
	}
}
