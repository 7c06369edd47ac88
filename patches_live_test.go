//go:build live

package ktrap

import (
	"slices"
	"testing"

	"ktrap/internal/kernel"
	"ktrap/internal/patch"
	"ktrap/internal/site"
	"ktrap/symbols"
)

// TestTheTablesInMemoryAreThoseOfTheImage reads what a running kernel keeps, and
// the same out of its image; and holds the image's blacklist against the list
// that the kernel shows.
func TestTheTablesInMemoryAreThoseOfTheImage(t *testing.T) {
	live, err := KernelConfig{}.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	table, moved := tablesOfImage(t, live)
	for _, kind := range patch.Kept() {
		here, there := entriesOf(live, live.allPatches(""), kind, 0), entriesOf(live, table, kind, moved)
		t.Logf("%d %ss", len(here), kind)
		if len(here) == 0 || !slices.Equal(here, there) {
			t.Errorf("%d %ss in memory, %d in the image; only in memory: %+v, only in the image: %+v",
				len(here), kind, len(there), without(here, there), without(there, here))
		}
	}
	var listed []site.Range
	for e := range table.All(patch.Blacklist) {
		listed = append(listed, site.Range{Start: e.Addr + moved, End: e.End() + moved})
	}
	shown := live.rules().Blacklist
	t.Logf("%d ranges are shown, the image has %d", len(shown), len(listed))
	covered(t, "by the image", shown, listed)
	covered(t, "by the kernel", listed, shown)
}

// tablesOfImage returns the tables in the image of the kernel that runs, and by
// how much that was moved.
func tablesOfImage(t *testing.T, live *Kernel) (*patch.Table, uint64) {
	t.Helper()
	moved, err := live.symbols.KASLR()
	if err != nil {
		t.Fatal(err)
	}
	image, err := symbols.OpenImage("/boot/vmlinuz-"+kernel.Release(), symbols.ImageOptions{NoIndex: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { image.Close() })
	table, err := image.Patches()
	if err != nil {
		t.Error(err)
	}
	return table, moved
}

// entriesOf are where the entries of a kind are. The code of exit functions, which
// a kernel never runs, is not asked for in memory.
func entriesOf(k *Kernel, table *patch.Table, kind patch.Kind, moved uint64) []uint64 {
	var all []uint64
	for _, text := range k.textRanges() {
		for _, e := range table.Of(kind, text.Start-moved, text.End-moved) {
			all = append(all, e.Addr+moved)
		}
	}
	slices.Sort(all)
	return all
}

// without returns some of the addresses that are in one list only.
func without(these, those []uint64) (only []string) {
	for _, addr := range these {
		if _, found := slices.BinarySearch(those, addr); !found && len(only) < 5 {
			only = append(only, Address(addr).String())
		}
	}
	return only
}

// covered fails for the first byte of each range that no other range has.
func covered(t *testing.T, by string, ranges, others []site.Range) {
	t.Helper()
	for _, r := range ranges {
		holds := func(o site.Range) bool { return o.Start <= r.Start && r.Start < o.End }
		if r.Start < r.End && !slices.ContainsFunc(others, holds) {
			t.Errorf("%#x-%#x %s is not blacklisted %s", r.Start, r.End, r.Name, by)
		}
	}
}
