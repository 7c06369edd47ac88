package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"ktrap/lab"
)

// targetExecuted is how much of what clang's program executes ours may.
const targetExecuted = 1.0

// executed is what a hit costs by each of a pair's programs: the instructions that
// they execute, helpers among them, above a program that does nothing.
type executed struct {
	Twin  string  `json:"twin"`
	Form  string  `json:"form"`
	Ours  float64 `json:"ktrap"`
	Clang float64 `json:"clang"`
	Error string  `json:"error,omitempty"`
}

type executions []executed

// onTwins runs all twins on two kernels, each compiled for both by this host's clang
// and in the machine by ktrap.
func onTwins(ctx context.Context, o options) (results, error) {
	found := &executions{}
	for _, f := range forms {
		if err := f.open(ctx); err != nil {
			return nil, err
		}
		some, err := f.execute(ctx, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		*found = append(*found, some...)
	}
	return found, nil
}

func (f *form) execute(ctx context.Context, o options) (some executions, err error) {
	dir, err := os.MkdirTemp("", "ktrap-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var files []string
	for _, name := range twinNames {
		object, err := clangObject(ctx, name, *f)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(dir, name+".o")
		if err := os.WriteFile(file, object, 0o644); err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	o.kernel = f.kernel
	measured, err := o.boot(ctx, benchmark{machine: lab.Config{ICount: true, Memory: 1024}}, files...)
	if err == nil {
		err = json.Unmarshal(measured, &some)
	}
	return some, err
}

func (e executed) ratio() float64 { return e.Ours / e.Clang }

func (s *executions) table(w *tabwriter.Writer) {
	form := ""
	for _, e := range *s {
		if e.Form != form {
			form = e.Form
			fmt.Fprintf(w, "%s: instructions a hit\tktrap\tclang -O2\tratio\n", form)
		}
		if e.Error != "" {
			fmt.Fprintf(w, "%s\t%s\n", e.Twin, e.Error)
			continue
		}
		fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.2f\n", e.Twin, e.Ours, e.Clang, e.ratio())
	}
	fmt.Fprintln(w, "executed by the handler and the helpers that it calls, above a program that does nothing")
}

func (s *executions) check() error {
	var errs []error
	for _, e := range *s {
		if e.Error != "" {
			errs = append(errs, fmt.Errorf("%s (%s): %s", e.Twin, e.Form, e.Error))
		} else if e.ratio() > targetExecuted {
			errs = append(errs, fmt.Errorf("%s (%s) costs %.2f of clang's: the target is %.1f", e.Twin, e.Form, e.ratio(), targetExecuted))
		}
	}
	return errors.Join(errs...)
}

// measureTwins is the half in the machine: files are clang's objects.
func measureTwins(o options) results {
	f, err := runningForm()
	if err != nil {
		return &executions{{Error: err.Error()}}
	}
	all := executions{}
	for _, file := range o.files {
		name := strings.TrimSuffix(filepath.Base(file), ".o")
		fmt.Fprintf(os.Stderr, "bench: %s, %s\n", name, f.Name)
		e := executed{Twin: name, Form: f.Name}
		if err := f.run(file, &e); err != nil {
			e.Error = err.Error()
		}
		all = append(all, e)
	}
	return &all
}
