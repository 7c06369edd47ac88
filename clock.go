package ktrap

import (
	"time"

	"golang.org/x/sys/unix"
)

// clock turns the kernel's monotonic time into the time of day.
type clock struct{ boot time.Time }

// readClock reads both clocks as close together as it gets.
func readClock() clock {
	var mono unix.Timespec
	// clock_gettime fails only on a bad clock or pointer.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono)
	return clock{time.Now().Round(0).Add(-time.Duration(mono.Nano()))}
}

func (c clock) at(ns uint64) time.Time { return c.boot.Add(time.Duration(ns)) }
