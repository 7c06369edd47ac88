package lab

import (
	"bufio"
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// loaderCache tells the loader of folders that it does not know by itself.
const loaderCache = "/etc/ld.so.cache"

// libraries returns what the dynamic loader needs to start a program: itself,
// its cache, and the shared libraries that the program names. It returns
// nothing for a file that is no program or needs none.
func libraries(program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, nil // not an ELF file
	}
	defer f.Close()
	var found []string
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			found = append(found, interpreter(p))
		}
	}
	needed, _ := f.ImportedLibraries()
	dirs := append(runPath(f, program), loaderDirs()...)
	for _, name := range needed {
		path, err := findLibrary(name, dirs)
		if err != nil {
			return nil, fmt.Errorf("%s needs %s, which is in none of %s", program, name, strings.Join(dirs, ", "))
		}
		found = append(found, path)
	}
	if _, err := os.Stat(loaderCache); err == nil && found != nil {
		found = append(found, loaderCache)
	}
	return found, nil
}

func interpreter(p *elf.Prog) string {
	name := make([]byte, p.Filesz)
	p.ReadAt(name, 0)
	return strings.TrimRight(string(name), "\x00")
}

func findLibrary(name string, dirs []string) (string, error) {
	for _, dir := range dirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", os.ErrNotExist
}

// runPath returns the program's own folders for libraries.
func runPath(f *elf.File, program string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		lists, _ := f.DynString(tag)
		for _, list := range lists {
			list = strings.NewReplacer("$ORIGIN", filepath.Dir(program), "${ORIGIN}", filepath.Dir(program)).Replace(list)
			dirs = append(dirs, filepath.SplitList(list)...)
		}
	}
	return dirs
}

// loaderDirs returns the folders that the host's dynamic loader looks in.
func loaderDirs() []string {
	return append(configuredDirs("/etc/ld.so.conf"), "/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

func configuredDirs(pattern string) []string {
	files, _ := filepath.Glob(pattern)
	var dirs []string
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			line := strings.TrimSpace(lines.Text())
			if more, ok := strings.CutPrefix(line, "include "); ok {
				dirs = append(dirs, configuredDirs(strings.TrimSpace(more))...)
			} else if strings.HasPrefix(line, "/") {
				dirs = append(dirs, line)
			}
		}
		f.Close()
	}
	return dirs
}
