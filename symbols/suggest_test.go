package symbols

import "testing"

func TestTypingMistakesAreCounted(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"vfs_read", "vfs_read", 0},
		{"vfs_read", "vfs_raed", 1},
		{"vfs_read", "vfs_rea", 1},
		{"vfs_read", "vfs_reads", 1},
		{"vfs_read", "vfs_road", 1},
		{"vfs_read", "fvs_raed", 2},
		{"ca", "abc", 3},
		{"a", "", 1},
		{"kitten", "sitting", 3},
	} {
		for _, p := range [][2]string{{c.a, c.b}, {c.b, c.a}} {
			if p[0] == "" {
				continue
			}
			if d := newSuggester(p[0]).distance([]byte(p[1])); d != c.want {
				t.Errorf("distance(%q, %q) = %d, want %d", p[0], p[1], d, c.want)
			}
		}
	}
}

func TestTheNameOfASystemCallSuggestsItsFunctions(t *testing.T) {
	for call, want := range map[string]bool{
		"__x64_sys_openat": true, "__arm64_sys_openat": true, "do_sys_openat2": true, "ksys_openat": true,
		"__x64_sys_openat2": false, "io_openat": false, "do_sys_open": false, "do_sys_openat_more": false,
	} {
		for _, typed := range []string{"openat", "sys_openat"} {
			if got := isCallOf([]byte(call), newSuggester(typed).call); got != want {
				t.Errorf("%s of %s: %v, want %v", call, typed, got, want)
			}
		}
	}
}

func FuzzTheCountOfMistakesEqualsThatOfTheWholeTable(f *testing.F) {
	f.Add("unix_stream_connect", "unix_sream_conenct")
	f.Add("abab", "baba")
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == "" || len(a) > 64 || len(b) > 64 {
			return
		}
		if got, want := newSuggester(a).distance([]byte(b)), table2D(a, b); got != want {
			t.Fatalf("distance(%q, %q) = %d, want %d", a, b, got, want)
		}
	})
}

// table2D counts the same by the usual table.
func table2D(a, b string) int {
	d := make([][]int, len(a)+1)
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
		for j := range len(b) {
			d[0][j+1] = j + 1
		}
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			wrong := 0
			if a[i-1] != b[j-1] {
				wrong = 1
			}
			d[i][j] = min(d[i-1][j]+1, d[i][j-1]+1, d[i-1][j-1]+wrong)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}
