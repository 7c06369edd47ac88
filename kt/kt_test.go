package kt

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// declarations are a source's functions and methods, each with its signature, and
// whether it says in a comment what it is.
func declarations(t *testing.T, text string) (signatures map[string]string, commented map[string]bool) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	signatures, commented = map[string]string{}, map[string]bool{}
	for _, d := range file.Decls {
		fn, ok := d.(*ast.FuncDecl)
		if !ok {
			continue
		}
		end := fn.Type.End()
		signature := text[fn.Pos()-file.FileStart : end-file.FileStart]
		name, _, _ := strings.Cut(signature[len("func "):], "(v any")
		signatures[name] = signature
		commented[name] = fn.Doc != nil
	}
	return signatures, commented
}

func TestEveryWordHasABodyInGo(t *testing.T) {
	words, _ := declarations(t, Words)
	native, _ := declarations(t, Native)
	for name, signature := range words {
		if native[name] != signature {
			t.Errorf("%s in words.go, %q in native.go", signature, native[name])
		}
	}
}

func TestEveryWordHasAComment(t *testing.T) {
	words, commented := declarations(t, Words)
	for name := range words {
		if !commented[name] {
			t.Errorf("%s has none", name)
		}
	}
}
