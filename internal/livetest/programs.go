package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// suite is a package's tests of one build tag.
type suite struct {
	pkg, dir string
	tests    []string
	program  string   // the test program, once it is built
	data     []string // the folders that the tests read, of those that the package has
}

// suites finds the packages with tests of a tag.
func suites(ctx context.Context, tag string) ([]suite, error) {
	list, err := output(exec.CommandContext(ctx, "go", "list", "-tags", tag, "-json=ImportPath,Dir,TestGoFiles,XTestGoFiles", "./..."))
	if err != nil {
		return nil, err
	}
	var all []suite
	for d := json.NewDecoder(bytes.NewReader(list)); ; {
		var p struct {
			ImportPath, Dir           string
			TestGoFiles, XTestGoFiles []string
		}
		if err := d.Decode(&p); err == io.EOF {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		s := suite{pkg: p.ImportPath, dir: p.Dir}
		for _, name := range append(p.TestGoFiles, p.XTestGoFiles...) {
			tests, err := testsOf(filepath.Join(p.Dir, name), tag)
			if err != nil {
				return nil, err
			}
			s.tests = append(s.tests, tests...)
		}
		if s.tests != nil {
			all = append(all, s)
		}
	}
}

// testsOf lists the tests of a file if it is one of the tag.
func testsOf(file, tag string) ([]string, error) {
	source, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(source, []byte("//go:build "+tag+"\n")) {
		return nil, err
	}
	f, err := parser.ParseFile(token.NewFileSet(), file, source, 0)
	if err != nil {
		return nil, err
	}
	var tests []string
	for _, d := range f.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && isTest(fn) {
			tests = append(tests, fn.Name.Name)
		}
	}
	return tests, nil
}

func isTest(fn *ast.FuncDecl) bool {
	return fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") && fn.Name.Name != "TestMain"
}

// pick keeps the tests that a -run pattern asks for.
func (s suite) pick(pattern string) (suite, error) {
	first, _, _ := strings.Cut(pattern, "/")
	match, err := regexp.Compile(first)
	if err != nil {
		return s, fmt.Errorf("-run %s: %w", pattern, err)
	}
	var kept []string
	for _, test := range s.tests {
		if match.MatchString(test) {
			kept = append(kept, test)
		}
	}
	s.tests = kept
	return s, nil
}

// runFlag is the -run that starts exactly the suite's tests, and the subtests
// of a pattern.
func (s suite) runFlag(pattern string) string {
	flag := "^(" + strings.Join(s.tests, "|") + ")$"
	if _, sub, ok := strings.Cut(pattern, "/"); ok {
		flag += "/" + sub
	}
	return flag
}

// build builds the suite's test program into dir.
func (s *suite) build(ctx context.Context, tag, dir string) error {
	for _, folder := range []string{"testdata", "examples"} {
		data := filepath.Join(s.dir, folder)
		if _, err := os.Stat(data); err == nil {
			s.data = append(s.data, data)
		}
	}
	s.program = filepath.Join(dir, strings.ReplaceAll(s.pkg, "/", "-")+".test")
	return static(ctx, "test", "-c", "-vet=off", "-tags", tag, "-o", s.program, s.pkg)
}

// static runs a go command that builds what a bare machine can run.
func static(ctx context.Context, verb string, args ...string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{verb, "-ldflags", "-s -w"}, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	_, err := output(cmd)
	return err
}

func output(cmd *exec.Cmd) ([]byte, error) {
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, indent(errs.String()))
	}
	return out, nil
}
