package lab

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestAPackageParagraphIsRead(t *testing.T) {
	const paragraph = `Package: linux-image-7.3.4+deb13-cloud-amd64
Version: 7.3.4-1~bpo13+1
Depends: dracut | initramfs-tools (>= 0.120), linux-base-7.3.4+deb13-cloud-amd64 (= 7.3.4-1), kmod:any
Description: Linux 7.3
 A line: that is no field
Size: 1234
`
	got := parsePackage(paragraph)
	want := pkg{
		name: "linux-image-7.3.4+deb13-cloud-amd64", version: "7.3.4-1~bpo13+1", bytes: 1234,
		depends: []string{"dracut", "linux-base-7.3.4+deb13-cloud-amd64", "kmod"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(pkg{})); diff != "" {
		t.Error(diff)
	}
}

func TestMirrorsAreReadFromWhatAptWouldFetch(t *testing.T) {
	for _, c := range []struct {
		name, uris string
		want       mirrors
	}{
		{"one-line and deb822 forms look alike here", `
'http://mirror.example/debian/dists/bookworm/InRelease' a 0
'http://mirror.example/debian/dists/bookworm-updates/InRelease' b 0
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' c 0
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' d 0`,
			mirrors{"http://mirror.example/debian", "http://mirror.example/debian-security"}},
		{"another vendor's archive beside Debian's", `
'https://vendor.example/apt/dists/nodistro/InRelease' a 0
'mirror+file:/etc/apt/mirrors/debian.list/dists/trixie/InRelease' b 0`,
			mirrors{main: "mirror+file:/etc/apt/mirrors/debian.list"}},
		{"the old name of the security suite", `
'http://old.example/debian/dists/buster/InRelease' a 0
'http://old.example/security/dists/buster/updates/InRelease' b 0`,
			mirrors{"http://old.example/debian", "http://old.example/security"}},
		{"no Debian", `'http://mirror.example/ubuntu/dists/jammy/InRelease' a 0`, mirrors{}},
	} {
		if got := parseMirrors(c.uris); got != c.want {
			t.Errorf("%s: got %+v, want %+v", c.name, got, c.want)
		}
	}
}
