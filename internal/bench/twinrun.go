package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"ktrap/internal/arch"
	"ktrap/internal/attach"
	"ktrap/internal/btf"
	"ktrap/internal/capture"
	"ktrap/internal/compile"
	"ktrap/internal/facts"
	"ktrap/internal/kernel"
	"ktrap/internal/object"
	"ktrap/internal/plan"
	"ktrap/symbols"
)

// runningForm is the form that is for the kernel that runs.
func runningForm() (*form, error) {
	for _, f := range forms {
		if !strings.HasPrefix(release(), f.kernel) {
			continue
		}
		data, err := kernel.BTF("")
		if err != nil {
			return nil, err
		}
		if f.spec, err = btf.Parse(data, nil); err != nil {
			return nil, err
		}
		f.findCast()
		// The kernel takes the time of programs: here it counts their instructions.
		return &f, os.WriteFile("/proc/sys/kernel/bpf_stats_enabled", []byte("1"), 0)
	}
	return nil, fmt.Errorf("no form of twins is for %s", release())
}

// run measures a pair, of which clang's half is in an object file.
func (f *form) run(file string, e *executed) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	theirs, err := programs(data, f.cast)
	if err != nil {
		return err
	}
	u, err := f.check(e.Twin)
	if err != nil {
		return err
	}
	ours, nothing := map[string]asm.Instructions{}, map[string]asm.Instructions{}
	for _, h := range u.Handlers {
		o, err := h.Emit(f.target(h, true))
		if err != nil {
			return err
		}
		ours[h.Name] = o.Insns
		nothing[h.Name] = asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()}
	}
	least := [3]float64{math.Inf(1), math.Inf(1), math.Inf(1)}
	for range rounds {
		for i, p := range []map[string]asm.Instructions{nothing, ours, theirs} {
			cost, err := f.costOf(u, p)
			if err != nil {
				return fmt.Errorf("%s: %w", []string{"nothing", "ktrap's", "clang's"}[i], err)
			}
			least[i] = min(least[i], cost)
		}
	}
	e.Ours, e.Clang = least[1]-least[0], least[2]-least[0]
	return nil
}

// rounds is how often a pair is loaded and measured; the least counts. What a helper
// takes that walks the kernel's stack depends on where programs happen to lie.
const rounds = 4

// Calls made before it is measured what one costs, and then, how many times some.
// These have each size of the caller's equally often.
const (
	firstCalls = 200
	someCalls  = 8 * (maxShift + 1)
	times      = 21
)

// costOf attaches a handler file's programs where the handlers belong, makes calls,
// and returns what the programs took for one, together.
func (f *form) costOf(u *compile.Unit, programs map[string]asm.Instructions) (cost float64, err error) {
	job := attach.Job{Kernel: kernel.Gather(facts.KprobePerf), Arch: arch.AMD64}
	if job.Ring, err = attach.NewRing(); err != nil {
		return 0, err
	}
	defer job.Ring.Close()
	maps, err := openMaps(u)
	defer func() {
		for _, m := range maps {
			m.Close()
		}
	}()
	if err != nil {
		return 0, err
	}
	live := symbols.Open(symbols.Options{})
	defer live.Close()
	for i, h := range u.Handlers {
		at, err := live.Lookup("", h.Place)
		if err != nil {
			return 0, err
		}
		t := f.target(h, true)
		program := object.Program{Context: t.Context, Insns: slices.Clone(programs[h.Name])}
		job.Points = append(job.Points, attach.Point{Addr: at[0].Addr, Func: at[0].Addr, FuncID: uint32(h.Func), Script: &attach.Script{
			Maps: maps, Emit: func(capture.Target) (object.Program, error) { return program, nil },
		}})
		job.Steps = append(job.Steps, plan.Step{Mechanism: mechanisms[t.Context], Points: []int{i}})
	}
	set, err := attach.Attach(context.Background(), job)
	if err != nil {
		return 0, err
	}
	defer set.Close()
	return took(u.Handlers[0].Place)
}

var mechanisms = map[object.Context]plan.Mechanism{
	object.Fentry: plan.Fentry, object.Fexit: plan.Fexit, object.Kprobe: plan.Kprobe, object.Kretprobe: plan.Kretprobe,
}

func openMaps(u *compile.Unit) (map[string]*ebpf.Map, error) {
	kinds := map[object.MapKind]ebpf.MapType{
		object.ArrayMap: ebpf.Array, object.HashMap: ebpf.Hash, object.PerCPUArray: ebpf.PerCPUArray, object.PerCPUHash: ebpf.PerCPUHash,
	}
	all := map[string]*ebpf.Map{}
	for _, m := range u.Maps {
		opened, err := attach.NewMap(&ebpf.MapSpec{
			Type: kinds[m.Kind], KeySize: uint32(m.KeySize), ValueSize: uint32(m.ValueSize), MaxEntries: uint32(m.Entries),
		})
		if err != nil {
			return all, fmt.Errorf("make the map %s: %w", m.Name, err)
		}
		all[m.Name] = opened
		if m.Name == object.Vars {
			if err := opened.Put(uint32(0), begin(m)); err != nil {
				return all, err
			}
		}
	}
	return all, nil
}

// begin is what a file's variables hold at first.
func begin(m object.Map) []byte {
	if m.Init != nil {
		return m.Init
	}
	return make([]byte, m.ValueSize)
}

// took calls a function and returns what the programs of this process took for it:
// of many times some calls the median, since an interrupt may come in between.
func took(function string) (float64, error) {
	c, err := newCaller()
	if err != nil {
		return 0, err
	}
	defer c.close()
	if err := c.call(function, firstCalls); err != nil {
		return 0, err
	}
	costs := make([]float64, times)
	for i := range costs {
		if costs[i], err = c.cost(function); err != nil {
			return 0, err
		}
	}
	slices.Sort(costs)
	return costs[times/2], nil
}

func (c *caller) cost(function string) (cost float64, err error) {
	before, err := programTimes()
	if err != nil {
		return 0, err
	}
	if err := c.call(function, someCalls); err != nil {
		return 0, err
	}
	after, err := programTimes()
	for id, now := range after {
		runs := now.runs - before[id].runs
		if runs < someCalls {
			return 0, errors.Join(err, fmt.Errorf("%s ran a program %d times in %d calls", function, runs, someCalls))
		}
		cost += float64(now.time-before[id].time) / float64(runs)
	}
	return cost, err
}

// programTime is how often a program ran, and for how long.
type programTime struct {
	runs uint64
	time time.Duration
}

// programTimes are those of all programs that this process holds open, by id.
func programTimes() (map[uint64]programTime, error) {
	all := map[uint64]programTime{}
	files, err := filepath.Glob("/proc/self/fdinfo/*")
	for _, file := range files {
		info := map[string]uint64{}
		f, err := os.Open(file)
		if err != nil {
			continue // the one by which the folder was read
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			name, value, _ := strings.Cut(lines.Text(), ":")
			info[name], _ = strconv.ParseUint(strings.TrimSpace(value), 0, 64)
		}
		f.Close()
		if runs, ok := info["run_cnt"]; ok {
			all[info["prog_id"]] = programTime{runs, time.Duration(info["run_time_ns"])}
		}
	}
	if len(all) == 0 {
		err = cmp.Or(err, errors.New("the kernel tells no times of programs"))
	}
	return all, err
}
