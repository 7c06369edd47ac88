package index

import (
	"maps"
	"os"
	"slices"
	"strings"
	"syscall"
	"time"
)

// kernel is all that is stored of one.
type kernel struct {
	files []string
	bytes int64 // on the disk
	used  time.Time
}

// kernels returns all that is stored, the one used last first.
func (x Index) kernels() ([]kernel, error) {
	files, err := os.ReadDir(x.dir)
	if err != nil {
		return nil, err
	}
	found := map[string]kernel{}
	for _, f := range files {
		info, err := f.Info()
		if err != nil || !info.Mode().IsRegular() {
			continue // gone meanwhile, or the folder of links
		}
		stat := info.Sys().(*syscall.Stat_t)
		used := time.Unix(stat.Atim.Unix())
		if strings.HasPrefix(f.Name(), temporary) {
			if time.Since(info.ModTime()) > forgotten {
				os.Remove(x.path(f.Name()))
			}
			continue
		}
		name, _, _ := strings.Cut(f.Name(), ".")
		k := found[name]
		k.files = append(k.files, f.Name())
		k.bytes += stat.Blocks * 512
		if used.After(k.used) {
			k.used = used
		}
		found[name] = k
	}
	all := slices.Collect(maps.Values(found))
	slices.SortFunc(all, func(a, b kernel) int { return b.used.Compare(a.used) })
	return all, nil
}

func (x Index) drop(k kernel) {
	for _, name := range k.files {
		os.Remove(x.path(name))
	}
}
