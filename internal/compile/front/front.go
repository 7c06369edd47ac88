// Package front reads a handler file: Go's own parser and type checker, with the
// kernel's types in scope, and then what Go allows and a handler does not.
//
// What comes out is a File: the checked syntax tree, its handlers with the places
// they are for, and its package variables with a layout. Nothing here depends on
// how a probe will be caught.
package front

import (
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"go/types"

	"ktrap/internal/arch"
	"ktrap/internal/btf"
	"ktrap/internal/btfgo"
	"ktrap/internal/diag"
)

// Source is a handler file.
type Source struct {
	Name string // for positions
	Text []byte
}

// Env is what a file is checked against. The zero Env has no kernel types.
type Env struct {
	Arch  *arch.Arch // nil for amd64
	BTF   *btf.Spec  // nil for none
	Place string     // of handlers that name none
	// Func finds the function at a place: 0 where there is none, or where the
	// place is inside one. Nil looks the place's name up in BTF.
	Func func(place string) btf.ID
	// Loose takes what a person writes in one line: words without their brackets,
	// integers of several widths in one expression.
	Loose bool
	// Part makes the handler a part of another program, a subprogram of it: emit
	// fills memory that is handed over (see object.PartSize).
	Part bool
}

// File is a checked handler file.
type File struct {
	Env      Env
	Fset     *token.FileSet
	Syntax   *ast.File
	Info     *types.Info
	Pkg      *types.Package
	Kernel   *btfgo.Types
	Handlers []*Handler
	Faults   []*Handler // that these call
	Globals  []*Global
	Funcs    map[*types.Func]*ast.FuncDecl

	errs diag.List
}

// Limits on a file.
const (
	maxSource = 1 << 20 // bytes
	maxNest   = 200     // of syntax
)

// Check reads src. The list is empty if and only if the File is not nil.
func Check(src Source, env Env) (*File, diag.List) {
	if env.Arch == nil {
		env.Arch = arch.AMD64
	}
	f := &File{Env: env, Fset: token.NewFileSet(), Funcs: map[*types.Func]*ast.FuncDecl{}}
	for _, step := range []func(){
		func() { f.parse(src) },
		f.refuse,
		f.parts,
		f.check,
		f.declarations,
		f.handlers,
	} {
		step()
		if len(f.errs) > 0 {
			f.errs.Sort()
			return nil, f.errs
		}
	}
	return f, nil
}

func (f *File) parse(src Source) {
	if len(src.Text) > maxSource {
		f.errs.Add(&diag.Error{Code: diag.TooLong, Pos: token.Position{Filename: src.Name}, Msg: "the file is longer than 1 MiB"})
		return
	}
	if deep(src.Text) {
		f.errs.Add(&diag.Error{Code: diag.TooDeep, Pos: token.Position{Filename: src.Name}, Msg: "the source is nested too deeply"})
		return
	}
	file, err := parser.ParseFile(f.Fset, src.Name, src.Text, parser.ParseComments)
	if list, ok := err.(scanner.ErrorList); ok {
		for _, e := range list {
			f.errs.Add(&diag.Error{Code: diag.Syntax, Pos: e.Pos, Msg: e.Msg})
		}
		return
	}
	f.Syntax = file
}

// deep reports whether the source may nest deeper than maxNest: brackets, and
// runs of tokens that stack up without them.
func deep(text []byte) bool {
	var s scanner.Scanner
	s.Init(token.NewFileSet().AddFile("", -1, len(text)), text, func(token.Position, string) {}, 0)
	depth, run := 0, 0
	for {
		_, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return false
		case token.LPAREN, token.LBRACK, token.LBRACE:
			depth++
			run++
		case token.RPAREN, token.RBRACK, token.RBRACE:
			depth--
			run++
		case token.SEMICOLON:
			run = 0
		default:
			run++
		}
		// An else-if chain and an expression without end nest as well.
		if depth > maxNest || run > 100*maxNest {
			return true
		}
	}
}

// Position is where pos stands in the source.
func (f *File) Position(pos token.Pos) token.Position { return f.Fset.Position(pos) }

// Fail notes a mistake at a node.
func (f *File) Fail(at ast.Node, code diag.Code, msg, hint string) {
	f.errs.Add(&diag.Error{Code: code, Pos: f.Fset.Position(at.Pos()), End: f.Fset.Position(at.End()), Msg: msg, Hint: hint})
}

// Errs are the mistakes that were noted so far, sorted.
func (f *File) Errs() diag.List {
	f.errs.Sort()
	return f.errs
}
