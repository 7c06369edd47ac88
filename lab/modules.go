package lab

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mikelolasagasti/xz"
)

// portModules are what the virtio port needs where it is not built in.
var portModules = []string{"virtio_pci", "virtio_console"}

// module is a kernel module, unpacked.
type module struct {
	name string
	code []byte
}

func (m module) path() string { return "/lib/modules/" + m.name + ".ko" }

// modules returns the modules of these names and all that they depend on, in
// the order of loading. What is built into the kernel is left out.
func (k Kernel) modules(names []string) ([]module, error) {
	if k.Modules == "" {
		return nil, nil
	}
	files, err := k.moduleFiles()
	if err != nil {
		return nil, err
	}
	order := loadOrder{files: files, visited: map[string]bool{}}
	for _, name := range names {
		if err := order.add(name); err != nil {
			return nil, fmt.Errorf("kernel %s: %w", k.Release, err)
		}
	}
	return order.modules, nil
}

// loadOrder lists modules after those that they need.
type loadOrder struct {
	files   map[string]string
	visited map[string]bool
	modules []module
}

func (o *loadOrder) add(name string) error {
	name = moduleName(name)
	if o.visited[name] {
		return nil
	}
	o.visited[name] = true
	file, ok := o.files[name]
	if !ok {
		return fmt.Errorf("no module %s", name)
	}
	if file == builtIn {
		return nil
	}
	code, err := unpack(file)
	if err != nil {
		return err
	}
	needs, err := dependencies(code)
	if err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	for _, need := range needs {
		if err := o.add(need); err != nil {
			return err
		}
	}
	o.modules = append(o.modules, module{name, code})
	return nil
}

// builtIn stands for the file of a module that has none.
const builtIn = "built in"

// moduleFiles maps the name of each of a kernel's modules to its file.
func (k Kernel) moduleFiles() (map[string]string, error) {
	files := map[string]string{}
	list, err := os.ReadFile(filepath.Join(k.Modules, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, path := range strings.Fields(string(list)) {
		files[moduleName(path)] = builtIn
	}
	err = filepath.WalkDir(k.Modules, func(path string, _ fs.DirEntry, err error) error {
		if base := filepath.Base(path); strings.HasSuffix(base, ".ko") || strings.Contains(base, ".ko.") {
			files[moduleName(path)] = path
		}
		return err
	})
	return files, err
}

// moduleName is the kernel's own name for a module file: without the folder
// and endings, and with underscores.
func moduleName(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func unpack(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil || strings.HasSuffix(path, ".ko") {
		return data, err
	}
	if !strings.HasSuffix(path, ".xz") {
		return nil, fmt.Errorf("%s: this compression is not known", path)
	}
	r, err := xz.NewReader(bytes.NewReader(data), 0)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	data, err = io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", path, err)
	}
	return data, nil
}

// dependencies reads the "depends=a,b" of a module's own information.
func dependencies(code []byte) ([]string, error) {
	f, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no .modinfo section")
	}
	info, err := section.Data()
	if err != nil {
		return nil, err
	}
	for field := range bytes.SplitSeq(info, []byte{0}) {
		if names, ok := strings.CutPrefix(string(field), "depends="); ok {
			return slices.DeleteFunc(strings.Split(names, ","), func(n string) bool { return n == "" }), nil
		}
	}
	return nil, nil
}
