package kcore

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const recordedInfo = `OSRELEASE=6.12.117
BUILD-ID=3bde3ce03156c39bec3310fbdd6bd14bfbefb62e
SYMBOL(init_uts_ns)=ffffffff840219c0
SYMBOL(_stext)=ffffffff82200000
KERNELOFFSET=1200000
`

const (
	textAddr   = 0xffffffff82200000
	directAddr = 0xffff8c1e80001000
)

// core lays out a core file: two stretches of memory, and two notes in front.
func core() []byte {
	le := binary.LittleEndian
	notes := note("CORE\x00", "a task_struct, or what goes for one")
	notes = append(notes, note("VMCOREINFO\x00", recordedInfo)...)

	const programs, firstNote = 64, 64 + 3*56
	header := append([]byte("\x7fELF\x02\x01\x01"), make([]byte, 57)...)
	le.PutUint64(header[32:], programs)
	le.PutUint16(header[56:], 3)

	firstLoad := uint64(firstNote + len(notes))
	file := append(header, program(programNote, firstNote, 0, uint64(len(notes)))...)
	file = append(file, program(programLoad, firstLoad, textAddr, 4)...)
	file = append(file, program(programLoad, firstLoad+4, directAddr, 6)...)
	file = append(file, notes...)
	return append(file, "textdirect"...)
}

func note(name, text string) []byte {
	var n []byte
	for _, word := range []int{len(name), len(text), 0} {
		n = binary.LittleEndian.AppendUint32(n, uint32(word))
	}
	for _, s := range []string{name, text} {
		n = append(n, s...)
		for len(n)%4 != 0 {
			n = append(n, 0)
		}
	}
	return n
}

func program(kind uint32, offset, addr, size uint64) []byte {
	p := make([]byte, programSize)
	binary.LittleEndian.PutUint32(p, kind)
	binary.LittleEndian.PutUint64(p[8:], offset)
	binary.LittleEndian.PutUint64(p[16:], addr)
	binary.LittleEndian.PutUint64(p[32:], size)
	binary.LittleEndian.PutUint64(p[40:], size)
	return p
}

func open(t *testing.T, file []byte) (*Core, error) {
	path := filepath.Join(t.TempDir(), "kcore")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Open(path)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

func TestMemoryIsReadByItsAddress(t *testing.T) {
	c, err := open(t, core())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []struct {
		addr uint64
		size int
		want string // "" for an error
	}{
		{textAddr, 4, "text"},
		{textAddr + 1, 2, "ex"},
		{directAddr, 6, "direct"},
		{textAddr + 1, 4, ""},
		{textAddr + 4, 1, ""},
		{textAddr - 1, 2, ""},
		{0, 1, ""},
		{^uint64(0), 1, ""},
	} {
		p := make([]byte, r.size)
		switch err := c.ReadMem(p, r.addr); {
		case r.want == "" && err == nil:
			t.Errorf("ReadMem(%d bytes at %#x) = %q, want an error", r.size, r.addr, p)
		case r.want != "" && (err != nil || string(p) != r.want):
			t.Errorf("ReadMem(%d bytes at %#x) = %q, %v, want %q", r.size, r.addr, p, err, r.want)
		}
	}
}

func TestTheKernelsNotesAreFoundBehindOthers(t *testing.T) {
	c, err := open(t, core())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Info(recordedInfo), c.Info()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if v, ok := c.Info().Value("OSRELEASE"); v != "6.12.117" || !ok {
		t.Errorf("OSRELEASE = %q, %t", v, ok)
	}
	if v, ok := c.Info().Value("SYMBOL(jiffies)"); ok {
		t.Errorf("a missing key has the value %q", v)
	}
	if addr := c.Info().Symbol("_stext"); addr != textAddr {
		t.Errorf("_stext = %#x, want %#x", addr, uint64(textAddr))
	}
	if addr := c.Info().Symbol("jiffies"); addr != 0 {
		t.Errorf("a missing symbol is at %#x", addr)
	}
}

func TestAFileThatIsNoCoreIsAnError(t *testing.T) {
	whole := core()
	for name, file := range map[string][]byte{
		"empty":       nil,
		"text":        []byte("not a core, but long enough to hold an ELF header as one has it"),
		"32 bits":     append([]byte("\x7fELF\x01\x01"), whole[6:]...),
		"no programs": whole[:100],
	} {
		if _, err := open(t, file); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
}

func FuzzACoreThatLiesIsAnErrorAtWorst(f *testing.F) {
	f.Add(core())
	f.Fuzz(func(t *testing.T, file []byte) {
		if len(file) > 1<<16 {
			return
		}
		c, err := open(t, file)
		if err != nil {
			return
		}
		c.Info().Symbol("_stext")
		if err := c.ReadMem(make([]byte, 8), textAddr); err == io.EOF {
			t.Fatal("a bare EOF tells nobody what was read")
		}
	})
}
