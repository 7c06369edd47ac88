package front

import (
	"go/ast"
	"go/token"
	"strings"

	"ktrap/internal/diag"
)

// refuse names what is Go and never part of a handler, before types are looked
// at, so that the first thing said is the one that matters.
func (f *File) refuse() {
	if f.Syntax.Name.Name == "main" {
		f.Fail(f.Syntax.Name, diag.HandlerName, "a handler file is no package main", "call the package trap, say")
	}
	for _, spec := range f.Syntax.Imports {
		if path := strings.Trim(spec.Path.Value, "\""); path != "unsafe" {
			f.Fail(spec, diag.Import, "a handler file imports only unsafe", "what a handler may call is there without an import")
		}
	}
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if code, msg, hint := refused(n); code != "" {
			f.Fail(head(n), code, msg, hint)
			return false
		}
		return true
	})
}

// head is the part of a statement worth a caret: its first word.
func head(n ast.Node) ast.Node {
	word := ""
	switch n := n.(type) {
	case *ast.FuncLit:
		return n.Type
	case *ast.GoStmt:
		word = "go"
	case *ast.DeferStmt:
		word = "defer"
	case *ast.SelectStmt:
		word = "select"
	case *ast.TypeSwitchStmt:
		word = "switch"
	}
	if word == "" {
		return n
	}
	return &ast.Ident{NamePos: n.Pos(), Name: word}
}

func refused(n ast.Node) (code diag.Code, msg, hint string) {
	switch n := n.(type) {
	case *ast.GoStmt:
		return diag.Goroutine, "a handler starts no goroutines", ""
	case *ast.DeferStmt:
		return diag.Defer, "a handler defers nothing", "write it before each return"
	case *ast.SendStmt, *ast.SelectStmt, *ast.ChanType:
		return diag.Channel, "a handler has no channels", "emit sends a record"
	case *ast.FuncLit:
		return diag.Closure, "a handler has no function literals", "declare a function; it is inlined"
	case *ast.InterfaceType, *ast.TypeAssertExpr, *ast.TypeSwitchStmt:
		return diag.Interface, "a handler has no interfaces", "cast[T](p) makes a pointer to another kernel type"
	case *ast.SliceExpr:
		return diag.Slice, "a handler has no slices", "str(p, size) reads text of another length"
	case *ast.BranchStmt:
		if n.Tok == token.GOTO {
			return diag.Goto, "a handler has no goto", ""
		}
	case *ast.ArrayType:
		if n.Len == nil {
			return diag.Slice, "a handler has no slices", "an array has a constant length: [16]uint64"
		}
	case *ast.Ellipsis:
		return diag.Slice, "a handler's functions have no variadic parameters", ""
	case *ast.FuncDecl:
		return refusedFunc(n)
	case *ast.TypeSpec:
		if n.TypeParams != nil {
			return diag.Generic, "a handler declares no type parameters", ""
		}
	case *ast.BasicLit:
		if n.Kind == token.IMAG {
			return diag.Float, "a handler has no complex numbers", ""
		}
	case *ast.Ident:
		switch n.Name {
		case "float32", "float64", "complex64", "complex128":
			return diag.Float, "a handler has no " + n.Name, "the kernel computes with integers"
		}
	case *ast.CallExpr:
		return refusedCall(n)
	}
	return "", "", ""
}

func refusedFunc(n *ast.FuncDecl) (code diag.Code, msg, hint string) {
	switch {
	case n.Recv != nil:
		return diag.Method, "a handler file declares no methods", "declare a function"
	case n.Type.TypeParams != nil:
		return diag.Generic, "a handler declares no type parameters", ""
	case n.Name.Name == "init" || n.Name.Name == "main":
		return diag.HandlerName, n.Name.Name + " is no name for a function of a handler file", ""
	}
	return "", "", ""
}

func refusedCall(n *ast.CallExpr) (code diag.Code, msg, hint string) {
	id, ok := n.Fun.(*ast.Ident)
	if !ok {
		return "", "", ""
	}
	switch id.Name {
	case "panic", "recover":
		return diag.Panic, "a handler does not " + id.Name, ""
	case "append", "make", "copy":
		return diag.Slice, "a handler has no slices, and no " + id.Name, "a map is made by its declaration: var m map[uint32]uint64"
	case "real", "imag", "complex":
		return diag.Float, "a handler has no complex numbers", ""
	}
	return "", "", ""
}
