package main

import (
	"bytes"
	"fmt"
	"time"

	"ktrap/symbols"
)

// function is a function of the kernel as it is without a probe.
type function struct {
	symbols.Symbol
	live *symbols.Live
	code []byte
}

func findFunction(name string) (*function, error) {
	live := symbols.Open(symbols.Options{})
	found, err := live.Lookup("", name)
	if err != nil {
		live.Close()
		return nil, err
	}
	f := &function{Symbol: found[0], live: live}
	f.code, err = live.Code(f.Addr, int(f.Size))
	return f, err
}

func (f *function) close() { f.live.Close() }

// probed reports whether there is a probe in it, whoever put it there
// and by which way: all of them change the code.
func (f *function) probed() (bool, error) {
	code, err := f.live.Code(f.Addr, int(f.Size))
	return !bytes.Equal(code, f.code), err
}

// clean is an error if a probe is left on the function. Where a jump took a probe's
// place the kernel removes it a while after the tool has let go of it.
func (f *function) clean() error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(glance) {
		if there, err := f.probed(); !there || err != nil {
			return err
		}
	}
	return fmt.Errorf("a probe was left on %s", f.Name)
}
