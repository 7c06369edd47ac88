package ktrap

import (
	"bytes"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"

	"ktrap/internal/arch"
	"ktrap/internal/compile"
	"ktrap/internal/diag"
	"ktrap/internal/place"
)

// EditorFile is what `ktrap types` writes beside handler files, so that editors, go
// vet and go test know what they name: the words of handlers, and the kernel's types.
type EditorFile struct {
	Name string // ktrap_types.go in the folder of the handlers
	Text []byte
}

// editorFile is the name of an EditorFile.
const editorFile = "ktrap_types.go"

// Editor makes the file for the package of a handler file, or of a folder: for all
// files of that package there. Types have all their fields if they are at most near
// steps from those that the files touch. It writes nothing.
func (c Compiler) Editor(path string, near int) (*EditorFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read the handler: %w", err)
	}
	folder, first := path, ""
	if !info.IsDir() {
		folder, first = filepath.Dir(path), filepath.Base(path)
	}
	pkg, sources, err := packageIn(folder, first)
	if err != nil {
		return nil, err
	}
	env, done, err := c.editorEnv(sources)
	if err != nil {
		return nil, err
	}
	defer done()
	text, err := compile.Beside(pkg, sources, env, near)
	var mistakes diag.List
	if errors.As(err, &mistakes) {
		return nil, &SourceError{mistakes, sourceOf(mistakes, sources)}
	}
	if err != nil {
		return nil, fmt.Errorf("types for %s: %w", path, err)
	}
	return &EditorFile{filepath.Join(folder, editorFile), []byte(text)}, nil
}

// packageIn reads the files of a package: that of the file called first, else that
// of the folder's first; trap where there is none.
func packageIn(folder, first string) (pkg string, sources []compile.Source, err error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return "", nil, err
	}
	if first != "" {
		names = append([]string{filepath.Join(folder, first)}, names...)
	}
	read := map[string]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", nil, err
		}
		clause := packageOf(text)
		if pkg == "" {
			pkg = clause
		}
		if !read[name] && clause == pkg && !IsEditorFile(text) {
			read[name] = true
			sources = append(sources, compile.Source{Name: name, Text: text})
		}
	}
	if pkg == "" {
		pkg = "trap"
	}
	return pkg, sources, nil
}

// packageOf is the name in a file's package clause; "" if it has none.
func packageOf(text []byte) string {
	file, err := parser.ParseFile(token.NewFileSet(), "", text, parser.PackageClauseOnly)
	if err != nil {
		return ""
	}
	return file.Name.Name
}

// IsEditorFile reports whether a file was made by Editor.
func IsEditorFile(text []byte) bool { return bytes.HasPrefix(text, []byte(compile.Generated)) }

func sourceOf(list diag.List, sources []compile.Source) []byte {
	for _, src := range sources {
		if len(list) > 0 && src.Name == list[0].Pos.Filename {
			return src.Text
		}
	}
	return nil
}

// editorEnv has the types of the module, too, of which a file probes a function,
// where the running kernel can be asked for it.
func (c Compiler) editorEnv(sources []compile.Source) (compile.Env, func(), error) {
	spec, err := c.types()
	if err != nil {
		return compile.Env{}, nil, err
	}
	env, done := compile.Env{Arch: arch.AMD64, BTF: spec}, func() {}
	var all []byte
	for _, src := range sources {
		all = append(all, src.Text...)
	}
	for _, at := range placesIn(all) {
		if p, err := place.Parse(at); c.BTF != "" || spec == nil || err != nil || p.Symbol == "" || len(spec.Funcs(p.Symbol)) > 0 {
			continue
		}
		if k, err := (KernelConfig{}).Open(); err == nil {
			return k.env(arch.AMD64, HandlerFile{Text: all}), func() { k.Close() }, nil
		}
		break
	}
	return env, done, nil
}
