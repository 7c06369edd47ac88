package compile_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/compile"
)

// Handlers are compiled for a kernel's types, and shown to an editor, or refused,
// soon and in little memory, whatever lies those types tell.
func TestTypesThatLieAreShownOrRefused(t *testing.T) {
	count := howMany(400, 20_000)
	handlers := []string{`package trap

import "unsafe"

var seen map[file]uint64
var kept file

//ktrap:pre vfs_read
func pre(file *file, buf *int8, count uint64, pos *int64) {
	emit(file.f_inode.i_ino, file.f_pos, file.f_open, str(buf), *pos, count, unsafe.Sizeof(*file), unsafe.Offsetof(file.f_pos))
}
`, `package trap

//ktrap:pre vfs_read
func pre(file *file) {
	i := *file.f_inode
	emit(i.i_mode, current().comm, file.nothing, cast[inode](file).i_ino, file.f_pos == i.f_pos)
}

//ktrap:ret vfs_read
func ret(file *file, rv int64) { printf("%d %v", rv, file.f_inode.i_mode) }
`}
	whole := [][]byte{smallBTF(t)}
	if kernel, err := os.ReadFile("/sys/kernel/btf/vmlinux"); err == nil && os.Getenv("KTRAP_DEEP") != "" {
		whole = append(whole, kernel)
	}
	shown := 0
	for n := *first; n < *first+count; n++ {
		rng := rand.New(rand.NewPCG(*seed, n))
		data := lie(rng, whole[rng.IntN(len(whole))])
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		ok, err := tryTypes(data, handlers)
		runtime.ReadMemStats(&after)
		if took := time.Since(start); took > 5*time.Second {
			err = fmt.Errorf("took %v", took)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<20 {
			err = fmt.Errorf("allocated %d MiB", used>>20)
		}
		if err != nil {
			t.Fatalf("go test ./internal/compile -run TypesThatLie -seed %d -first %d -files 1\n%v", *seed, n, err)
		}
		if ok {
			shown++
		}
	}
	t.Logf("%d of %d were shown", shown, count)
}

// lie changes words of a BTF, or cuts it.
func lie(rng *rand.Rand, whole []byte) []byte {
	le := binary.LittleEndian
	data := append([]byte(nil), whole...)
	if rng.IntN(20) == 0 {
		return data[:rng.IntN(len(data))]
	}
	types := 24 + int(le.Uint32(data[8:]))
	size := int(le.Uint32(data[12:]))
	for range 1 + rng.IntN(4) {
		at := types + rng.IntN(size/4)*4
		other := types + rng.IntN(size/4)*4
		switch rng.IntN(6) {
		case 0:
			le.PutUint32(data[at:], rng.Uint32N(30)) // another type, name or size
		case 1:
			copy(data[at:at+4], data[other:other+4])
		case 2:
			le.PutUint32(data[at:], rng.Uint32())
		case 3:
			le.PutUint32(data[at:], le.Uint32(data[at:])^1<<rng.IntN(32))
		case 4:
			le.PutUint32(data[at:], []uint32{0, 1 << 31, 1<<31 - 1, 1<<32 - 1, 1 << 20, 8 << 20}[rng.IntN(6)])
		case 5: // another kind
			data[at&^3+3] = byte(rng.IntN(20)) | byte(rng.IntN(2))<<7
		}
	}
	return data
}

func tryTypes(data []byte, handlers []string) (ok bool, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v\n%s", r, debug.Stack())
		}
	}()
	spec, err := btf.Parse(data, nil)
	if err != nil {
		return false, nil
	}
	for _, text := range handlers {
		ok, err := try(text, spec)
		if err != nil {
			return ok, err
		}
		src := []compile.Source{{Name: "lying.go", Text: []byte(text)}}
		if _, err := compile.Beside("trap", src, compile.Env{Arch: arch.AMD64, BTF: spec}, 3); err != nil {
			return false, nil
		}
	}
	return true, nil
}

// rawBTF is types as words, and their names.
func rawBTF(types []uint32, names string) []byte {
	le := binary.LittleEndian
	head := []byte{0x9f, 0xeb, 1, 0}
	for _, n := range []int{24, 0, 4 * len(types), 4 * len(types), len(names)} {
		head = le.AppendUint32(head, uint32(n))
	}
	for _, w := range types {
		head = le.AppendUint32(head, w)
	}
	return append(head, names...)
}

// Structs that hold each other twice, 31 deep: two thousand million fields.
func TestStructsThatDoubleAtEachStepAreShown(t *testing.T) {
	const names = "\x00file\x00int\x00f_pos\x00"
	types := []uint32{6, 1 << 24, 4, 32} // int is 1
	for i := range uint32(31) {
		name, next := uint32(0), i+3
		if i == 0 {
			name = 1
		}
		if i == 30 {
			next = 1
		}
		field := uint32(0)
		if i == 30 {
			field = 10
		}
		types = append(types, name, 4<<24|2, 8, field, next, 0, field, next, 32)
	}
	data := rawBTF(types, names)
	start := time.Now()
	for _, field := range []string{"f_pos", "f_pso", "none"} {
		text := "package trap\n\nfunc pre() { emit(cast[file](arg(0))." + field + ") }\n"
		if _, err := tryTypes(data, []string{text}); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v", took)
	}
}

// A struct that is its own member, by value.
func TestAStructInItselfIsRefusedOrShown(t *testing.T) {
	const names = "\x00file\x00int\x00f_pos\x00"
	data := rawBTF([]uint32{6, 1 << 24, 4, 32, 1, 4<<24 | 2, 8, 10, 2, 0, 0, 1, 0}, names)
	for _, use := range []string{
		"emit(unsafe.Sizeof(*f))", "emit(unsafe.Alignof(*f))", "emit(unsafe.Offsetof(f.f_pos))", "emit(*f == *f)",
		"emit(f.f_pos.f_pos.f_pos)", "emit(f.none)", "seen[f]++", "kept = *f", "var w struct{ n uint32; f file }; emit(unsafe.Alignof(w))",
	} {
		text := "package trap\n\nimport \"unsafe\"\n\nvar seen map[*file]uint64\nvar kept [2]uint64\n\nfunc pre() {\n\tf := cast[file](arg(0))\n\t_ = unsafe.Sizeof(f.f_pos)\n\t" + use + "\n}\n"
		if _, err := tryTypes(data, []string{text}); err != nil {
			t.Errorf("%s: %v", use, err)
		}
	}
}
