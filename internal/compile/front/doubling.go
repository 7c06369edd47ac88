package front

import (
	"fmt"
	"go/ast"

	"ktrap/internal/diag"
)

// maxParts is how many scalars a type of the file's may come to. A struct of two of the
// next, which is one of two of the next, has more than anybody can walk through after
// a few dozen lines, and go/types walks through it.
const maxParts = 1 << 14

// parts refuses types of more parts than maxParts.
func (f *File) parts() {
	count := counter{types: map[string]ast.Expr{}, known: map[string]int{}}
	var specs []*ast.TypeSpec
	ast.Inspect(f.Syntax, func(n ast.Node) bool {
		if spec, ok := n.(*ast.TypeSpec); ok {
			specs = append(specs, spec)
			count.types[spec.Name.Name] = spec.Type
		}
		return true
	})
	for _, spec := range specs {
		if count.of(spec.Type) > maxParts {
			f.Fail(spec.Name, diag.TooDeep, fmt.Sprintf("a %s has more than %d parts", spec.Name.Name, maxParts), "")
			return
		}
	}
}

// counter counts the parts of types, by name once.
type counter struct {
	types map[string]ast.Expr
	known map[string]int
}

// of stops counting above maxParts. A type that contains itself is for go/types to
// refuse.
func (c *counter) of(t ast.Expr) int {
	switch t := ast.Unparen(t).(type) {
	case *ast.Ident:
		return c.named(t.Name)
	case *ast.ArrayType:
		if t.Len != nil {
			return c.of(t.Elt)
		}
	case *ast.StructType:
		n := 0
		for _, field := range t.Fields.List {
			n = min(n+max(1, len(field.Names))*c.of(field.Type), maxParts+1)
		}
		return n
	}
	return 1
}

func (c *counter) named(name string) int {
	if n, known := c.known[name]; known {
		return n
	}
	t, ours := c.types[name]
	if !ours {
		return 1
	}
	c.known[name] = 1
	c.known[name] = c.of(t)
	return c.known[name]
}
