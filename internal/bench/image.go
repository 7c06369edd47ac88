package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"ktrap/internal/vmlinux"
	"ktrap/lab"
)

// The targets: what a listing of one function out of an image may take when the
// image has been looked at before, and how often as much as decompressing it when
// it has not.
const (
	targetIndexed       = 10 * time.Millisecond // wall
	targetIndexedMemory = 20_000_000
	targetCold          = 1.3
)

const (
	indexed       = "ktrap disasm, seen before"
	cold          = "ktrap disasm, cold"
	decompression = "decompression alone"
)

// imageRun is what a process took from its start to its end.
type imageRun struct {
	Wall   time.Duration `json:"wall_ns"`
	CPU    time.Duration `json:"cpu_ns"`
	Memory int64         `json:"peak_bytes"`
	Text   int64         `json:"text_bytes"` // that it wrote
}

type images []figures[imageRun]

// onImage measures on this machine how the tools find one function in an image.
func onImage(ctx context.Context, o options) (results, error) {
	kernel, err := lab.FindKernel(ctx, o.kernel, "amd64", os.Stderr)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "ktrap-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	elf := filepath.Join(dir, "vmlinux")
	if err := exec.CommandContext(ctx, o.ktrap, "image", "extract", kernel.Image, "-o", elf).Run(); err != nil {
		return nil, fmt.Errorf("extract %s: %w", kernel.Image, err)
	}
	show := []string{o.ktrap, "disasm", connecting, "--image", kernel.Image}
	measure := func(p peer) (imageRun, error) { return measureImage(ctx, p, dir) }
	found := images(all([]peer{
		{name: indexed, args: show},
		{name: cold, args: show},
		{name: decompression, args: []string{self, "-inside", "decompress", kernel.Image}},
	}, o.runs, measure))
	// What takes half a minute takes it each time.
	found = append(found, all([]peer{{name: "objdump -D", args: []string{"objdump", "-D", elf}}}, 1, measure)...)
	return &found, nil
}

// measureImage runs p to its end, with a cache folder in dir that is new for the
// cold one.
func measureImage(ctx context.Context, p peer, dir string) (run imageRun, err error) {
	cache := filepath.Join(dir, "cache")
	if p.name == cold {
		cache, err = os.MkdirTemp(dir, "cold")
		if err != nil {
			return run, err
		}
	}
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+cache)
	cmd.Stderr = os.Stderr
	out, in, err := narrowPipe()
	if err != nil {
		return run, err
	}
	defer out.Close()
	cmd.Stdout = in
	began := time.Now()
	err = cmd.Start()
	in.Close()
	if err != nil {
		return run, err
	}
	for chunk := make([]byte, narrow); err == nil; {
		run.Memory = max(run.Memory, peak(cmd.Process.Pid))
		var n int
		n, err = out.Read(chunk)
		run.Text += int64(n)
	}
	if err := cmd.Wait(); err != nil {
		return run, err
	}
	run.Wall = time.Since(began)
	run.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	return run, nil
}

// narrow is how much a process can write before it waits for us, bytes: one that
// is about to end can still be asked for its memory then.
const narrow = 4096

func narrowPipe() (out, in *os.File, err error) {
	if out, in, err = os.Pipe(); err != nil {
		return nil, nil, err
	}
	_, err = unix.FcntlInt(in.Fd(), unix.F_SETPIPE_SZ, narrow)
	return out, in, err
}

// peak is the most memory that a process has held since it began to run its
// program, in bytes; 0 if it is gone. What wait tells counts also what the parent
// held when it made it.
func peak(pid int) int64 {
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	_, text, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return 0
	}
	kib, _ := strconv.ParseInt(fields[0], 10, 64)
	return kib << 10
}

// decompress is all that it takes to get at an image's contents.
func decompress(path string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	f, err := vmlinux.Open(image)
	if err != nil {
		return err
	}
	if _, err = f.Vmlinux(); err == nil {
		_, err = os.Stdout.Write(make([]byte, 2*narrow)) // wait to be asked for the memory
	}
	return err
}

func (s *images) table(w *tabwriter.Writer) {
	const ms, mb = float64(time.Millisecond), 1e6
	fmt.Fprintf(w, "%s in an image\twall ms\tCPU ms\tpeak MB\ttext MB\n", connecting)
	rows(w, *s,
		func(r imageRun) float64 { return float64(r.Wall) / ms },
		func(r imageRun) float64 { return float64(r.CPU) / ms },
		func(r imageRun) float64 { return float64(r.Memory) / mb },
		func(r imageRun) float64 { return float64(r.Text) / mb })
	fmt.Fprintln(w, "median (least–most), whole processes on this machine")
}

// check goes by the best of the runs: on a busy machine the others measure it.
func (s *images) check() error {
	best := map[string]imageRun{}
	for _, f := range *s {
		if f.Error != "" {
			return fmt.Errorf("%s: %s", f.Tool, f.Error)
		}
		least := f.Runs[0]
		for _, r := range f.Runs {
			least.Wall, least.CPU, least.Memory = min(least.Wall, r.Wall), min(least.CPU, r.CPU), min(least.Memory, r.Memory)
		}
		best[f.Tool] = least
	}
	if r := best[indexed]; r.Wall > targetIndexed || r.Memory > targetIndexedMemory {
		return fmt.Errorf("a listing out of the index took %v and %d bytes: the target is %v and %d", r.Wall, r.Memory, targetIndexed, targetIndexedMemory)
	}
	if ratio := float64(best[cold].CPU) / float64(best[decompression].CPU); ratio > targetCold {
		return fmt.Errorf("a cold listing took %.2f times as much CPU time as decompressing: the target is %.2f", ratio, targetCold)
	}
	return nil
}
