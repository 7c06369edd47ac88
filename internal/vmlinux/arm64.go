package vmlinux

import "errors"

func (k *Kernel) parseImage() error { return errors.New("an arm64 Image: not yet known") }

// A move is a word that is only right once the kernel has relocated itself.
type move struct{ addr, value uint64 }

func (k *Kernel) findMoves() {}

func (k *Kernel) move(p []byte, addr uint64) {}

func (k *Kernel) moved(addr uint64, n int) bool { return false }
