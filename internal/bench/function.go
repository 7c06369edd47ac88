package main

import (
	"bytes"
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/symbols"
)

// function is a function of the kernel as it is without a probe.
type function struct {
	symbols.Symbol
	live *symbols.Live
	code []byte
}

// codeBytes reach over an endbr64 and the call behind it, which a probe at the
// entry turns from a no-op into one of its own.
const codeBytes = 16

func findFunction(name string) (*function, error) {
	live := symbols.Open(symbols.Options{})
	found, err := live.Lookup("", name)
	if err != nil {
		live.Close()
		return nil, err
	}
	f := &function{Symbol: found[0], live: live}
	f.code, err = live.Code(f.Addr, codeBytes)
	return f, err
}

func (f *function) close() { f.live.Close() }

// probed reports whether there is a probe at the entry, whoever put it there
// and by which way: all of them change the code.
func (f *function) probed() (bool, error) {
	code, err := f.live.Code(f.Addr, codeBytes)
	return !bytes.Equal(code, f.code), err
}

// glance is the time between two looks: how late a probe may be seen. A look
// takes some 2 µs.
const glance = 100 * time.Microsecond

// awaitProbe returns as soon as the tool's probe is there.
func (f *function) awaitProbe(t *tool) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		if there, err := f.probed(); there || err != nil {
			return err
		}
		if err := t.running(); err != nil {
			return err
		}
		unix.Nanosleep(&unix.Timespec{Nsec: int64(glance)}, nil)
	}
	return fmt.Errorf("no probe on %s after %v", f.Name, patience)
}

// clean is an error while a probe is left on the function.
func (f *function) clean() error {
	there, err := f.probed()
	if there {
		return fmt.Errorf("a probe was left on %s", f.Name)
	}
	return err
}
