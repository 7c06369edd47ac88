package stream

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// kernelSide writes records into a Ring's memory as the kernel does.
type kernelSide struct {
	*Ring
	mem []byte
}

func newKernelSide(size int) kernelSide {
	r := &Ring{consumer: new(uint64), producer: new(uint64), data: make([]byte, size)}
	return kernelSide{r, r.data}
}

// put reserves a record and submits it; it reports false if there is no room.
func (k kernelSide) put(flags uint32, data []byte) bool {
	length := span(uint32(len(data)))
	if *k.producer+length-*k.consumer > uint64(len(k.mem)) {
		return false
	}
	var header [recordHeader]byte
	binary.LittleEndian.PutUint32(header[:], uint32(len(data))|flags)
	for i, b := range append(header[:], data...) {
		k.mem[(*k.producer+uint64(i))%uint64(len(k.mem))] = b
	}
	*k.producer += length
	return true
}

func (k kernelSide) submit(at uint64) {
	k.mem[(at+3)%uint64(len(k.mem))] &^= busyBit >> 24
}

func collect(chunk []byte) (data []string) {
	for r := range records(chunk) {
		data = append(data, string(r))
	}
	return data
}

func TestRecordsComeOutInOrderAcrossTheRingsEnd(t *testing.T) {
	k := newKernelSide(128)
	rnd := rand.New(rand.NewPCG(1, 2))
	var want, got []string
	for i := range 500 {
		data := fmt.Sprintf("%d:%s", i, bytes.Repeat([]byte("x"), rnd.IntN(60)))
		for !k.put(0, []byte(data)) {
			got = append(got, collect(k.Drain(make([]byte, 0, 256)))...)
		}
		want = append(want, data)
	}
	got = append(got, collect(k.Drain(make([]byte, 0, 256)))...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDrainingStopsAtARecordThatIsStillBeingWritten(t *testing.T) {
	k := newKernelSide(256)
	k.put(0, []byte("first"))
	busyAt := *k.producer
	k.put(busyBit, []byte("second"))
	k.put(0, []byte("third"))
	chunk := k.Drain(make([]byte, 0, 256))
	if got := collect(chunk); len(got) != 1 || got[0] != "first" {
		t.Errorf("drained %q before the second record was submitted, want only the first", got)
	}
	k.submit(busyAt)
	if diff := cmp.Diff([]string{"second", "third"}, collect(k.Drain(nil))); diff == "" {
		t.Error("records were drained into no room at all")
	}
	if diff := cmp.Diff([]string{"second", "third"}, collect(k.Drain(make([]byte, 0, 256)))); diff != "" {
		t.Errorf("after it was submitted, -want +got:\n%s", diff)
	}
}

func TestARecordGivenUpIsPassedOver(t *testing.T) {
	k := newKernelSide(256)
	k.put(0, []byte("first"))
	k.put(discardBit, []byte("never"))
	k.put(0, []byte("last"))
	if diff := cmp.Diff([]string{"first", "last"}, collect(k.Drain(make([]byte, 0, 256)))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestDrainNeverTakesPartOfARecord(t *testing.T) {
	k := newKernelSide(256)
	k.put(0, make([]byte, 40))
	k.put(0, make([]byte, 40))
	if got := len(collect(k.Drain(make([]byte, 0, 80)))); got != 1 {
		t.Errorf("into 80 bytes went %d records of 48, want 1", got)
	}
}

func TestEveryRecordIsDeliveredOrLeftInTheRingWhenMemoryIsFull(t *testing.T) {
	k := newKernelSide(1 << 20)
	data := make([]byte, 1000)
	put := 0
	for k.put(0, data) {
		put++
	}
	s := Start(k.Ring, 2*chunkSize)
	time.Sleep(20 * time.Millisecond)
	inMemory := 0
	s.mu.Lock()
	for _, chunk := range s.queue {
		inMemory += len(collect(chunk))
	}
	s.mu.Unlock()
	if most := 2 * chunkSize / 1008; inMemory > most || inMemory == 0 {
		t.Errorf("%d records are in memory, want at most the %d that fit", inMemory, most)
	}
	got := 0
	for got < inMemory+1 {
		batch, more := s.Next(context.Background())
		if !more {
			t.Fatalf("the stream ended after %d records", got)
		}
		for range batch {
			got++
		}
	}
	if rest := int(s.Close()); got+rest != put {
		t.Errorf("%d read and %d unread make not the %d written", got, rest, put)
	}
}

func TestAReaderThatLeavesFindsTheRestLater(t *testing.T) {
	k := newKernelSide(4096)
	for _, data := range []string{"first", "second", "third"} {
		k.put(0, []byte(data))
	}
	s := Start(k.Ring, 0)
	defer s.Close()
	var got []string
	for len(got) < 3 {
		batch, more := s.Next(context.Background())
		if !more {
			t.Fatalf("the stream ended after %q", got)
		}
		for data := range batch {
			got = append(got, string(data))
			break
		}
	}
	if diff := cmp.Diff([]string{"first", "second", "third"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestTheEndWakesEveryoneWhoWaits(t *testing.T) {
	s := Start(newKernelSide(64).Ring, 0)
	const readers = 4
	ended := make(chan bool, readers)
	for range readers {
		go func() {
			_, more := s.Next(context.Background())
			ended <- !more
		}()
	}
	time.Sleep(5 * time.Millisecond)
	s.Stop()
	for range readers {
		select {
		case end := <-ended:
			if !end {
				t.Error("a reader got more of an empty stream")
			}
		case <-time.After(5 * time.Second):
			t.Fatal("a reader still waits")
		}
	}
	s.Close()
}

func TestNextGivesUpWhenItsContextIsDone(t *testing.T) {
	s := Start(newKernelSide(64).Ring, 0)
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	batch, more := s.Next(ctx)
	for range batch {
		t.Error("a record came out of an empty ring")
	}
	if !more {
		t.Error("the stream ended, want only that nothing came")
	}
}
