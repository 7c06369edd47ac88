package front

import (
	"go/ast"

	"ktrap/internal/btf"
)

// typeNames lets the kernel's types have names of words: where a type stands, cgroup
// is the kernel's struct, and elsewhere the word. What the file declares is its own.
func (f *File) typeNames() {
	types := typesIn(f.Syntax)
	var words map[string]bool
	for _, id := range f.Syntax.Unresolved {
		if !types[id] {
			continue
		}
		if words == nil {
			words = functions()
		}
		if words[id.Name] && f.kernelHas(id.Name) {
			id.Name = "struct_" + id.Name
		}
	}
}

// kernelHas reports whether the kernel has a type of a name.
func (f *File) kernelHas(name string) bool {
	for spec := f.Env.BTF; spec != nil; spec = spec.Base() {
		if len(spec.Types(name, btf.Struct, btf.Union, btf.Typedef, btf.Enum, btf.Enum64)) > 0 {
			return true
		}
	}
	return false
}

// functions are the words that are called.
func functions() map[string]bool {
	words := map[string]bool{}
	for _, d := range parsedWords().Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
			words[fn.Name.Name] = true
		}
	}
	return words
}

// typesIn are the names that stand where a type does.
func typesIn(file *ast.File) map[*ast.Ident]bool {
	found := map[*ast.Ident]bool{}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Field:
			typeIn(n.Type, found)
		case *ast.ValueSpec:
			typeIn(n.Type, found)
		case *ast.TypeSpec:
			typeIn(n.Type, found)
		case *ast.CompositeLit:
			typeIn(n.Type, found)
		case *ast.IndexExpr:
			if fn, ok := n.X.(*ast.Ident); ok && fn.Name == "cast" {
				typeIn(n.Index, found)
			}
		case *ast.CallExpr: // (*cgroup)(p)
			if paren, ok := n.Fun.(*ast.ParenExpr); ok {
				if star, ok := paren.X.(*ast.StarExpr); ok {
					typeIn(star, found)
				}
			}
		}
		return true
	})
	return found
}

func typeIn(e ast.Expr, found map[*ast.Ident]bool) {
	switch e := e.(type) {
	case *ast.Ident:
		found[e] = true
	case *ast.StarExpr:
		typeIn(e.X, found)
	case *ast.ParenExpr:
		typeIn(e.X, found)
	case *ast.ArrayType:
		typeIn(e.Elt, found)
	case *ast.MapType:
		typeIn(e.Key, found)
		typeIn(e.Value, found)
	}
}
