package kallsyms

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// buried puts tables into an image between bytes that are none, with texts that
// look like the tokens of digits before and behind.
func buried(o order, syms []Symbol) (image, Layout) {
	const front = 64 << 10
	tables, l := encode(o, kernelAddr+front, syms)
	m := image{addr: kernelAddr}
	for i := range front {
		m.bytes = append(m.bytes, byte(i*i>>7))
	}
	copy(m.bytes[front/2:], digits)
	copy(m.bytes[front-40:], digits)
	m.bytes = append(m.bytes, tables.bytes...)
	for i := range front {
		m.bytes = append(m.bytes, byte(i*i>>5))
	}
	copy(m.bytes[len(m.bytes)-front/2:], digits)
	return m, l
}

func TestTablesOfEveryKernelAreRecovered(t *testing.T) {
	forEachOrder(t, func(t *testing.T, o order) {
		m, want := buried(o, sample(o))
		got, err := Recover(m.bytes, m.addr)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestOnlyTextSymbolsAreRecoveredToo(t *testing.T) {
	o := orders[1]
	var syms []Symbol
	for _, s := range sample(o) {
		if s.Addr != kernelAddr+0x2000000 && s.Name != "_text" {
			s.Addr += 0x10000
			syms = append(syms, s)
		}
	}
	m, want := buried(o, syms)
	if got, err := Recover(m.bytes, m.addr); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
}

func TestDamagedTablesAreNotRecovered(t *testing.T) {
	forEachOrder(t, func(t *testing.T, o order) {
		whole, l := buried(o, sample(o))
		for name, at := range map[string]uint64{
			"the first name": l.Names, "the number": l.NumSyms, "a marker": l.TokenTable - 4,
			"the index": l.TokenIndex + 2*'5', "an offset": l.Offsets + 4*100 + 3,
		} {
			if name == "a marker" && (o.seqs && o.offsets || whole.bytes[at-whole.addr] == 0) {
				continue // this is what stands between the markers and the tokens
			}
			m := image{whole.addr, bytes.Clone(whole.bytes)}
			m.bytes[at-m.addr] ^= 0x55
			if got, err := Recover(m.bytes, m.addr); err == nil && got == l {
				t.Errorf("with %s damaged: %+v", name, got)
			}
		}
	})
}

func TestAnImageMadeToMisleadIsGivenUpSoon(t *testing.T) {
	// Tokens with an index, markers before them in great number, and no names.
	m, l := buried(orders[3], sample(orders[3]))
	tokens := m.bytes[l.TokenTable-m.addr : l.TokenIndex+2*256-m.addr]
	bait := bytes.Repeat([]byte{0, 0, 0, 0, 0, 4, 0, 0}, 4<<20)
	if l, err := Recover(append(bait, tokens...), kernelAddr); err == nil {
		t.Errorf("recovered %+v", l)
	} else {
		t.Log(err)
	}
}

func FuzzRecoverNeverFails(f *testing.F) {
	f.Add(uint8(0), uint32(0), uint64(0))
	f.Add(uint8(5), uint32(70000), uint64(0x123456789))
	var images []image
	for _, o := range orders {
		m, _ := buried(o, sample(o))
		images = append(images, m)
	}
	f.Fuzz(func(t *testing.T, kind uint8, at uint32, lie uint64) {
		m := images[int(kind)%len(images)]
		m.bytes = bytes.Clone(m.bytes)
		for i := range 8 {
			m.bytes[(int(at)+i)%len(m.bytes)] ^= byte(lie >> (8 * i))
		}
		l, err := Recover(m.bytes, m.addr)
		if err != nil {
			return
		}
		if _, err := Load(m, l); err != nil {
			t.Errorf("recovered %+v, which can't be loaded: %v", l, err)
		}
	})
}
