package lab

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// suites are the Debian releases with kernels for us, and what they have.
var suites = []struct{ name, version string }{
	{"bullseye", "5.10"},
	{"bookworm", "6.1"},
	{"trixie", "6.12"},
	{"trixie-backports", "7.3"},
}

// fetch gets the newest kernel of a version with apt, under a state of its own
// that the machine's apt never sees. The caller holds the lock.
func (c cache) fetch(ctx context.Context, version, arch string, progress io.Writer) (Kernel, error) {
	a := apt{ctx: ctx, dir: filepath.Join(c.dir, "apt"), arch: arch, progress: progress}
	fail := func(err error) (Kernel, error) { return Kernel{}, fmt.Errorf("fetch kernel %s: %w", version, err) }
	release, err := a.release(version)
	if err != nil {
		return fail(err)
	}
	packages, err := a.closure(release)
	if err != nil {
		return fail(err)
	}
	temporary, err := os.MkdirTemp(c.dir, "fetch-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(temporary)
	if err := a.unpack(packages, temporary); err != nil {
		return fail(err)
	}
	folder := c.folder(release, arch)
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return fail(err)
	}
	if err := os.Rename(filepath.Join(temporary, "tree"), folder); err != nil {
		return fail(err)
	}
	return unpackedKernel(folder)
}

// apt is the machine's apt with a private state.
type apt struct {
	ctx      context.Context
	dir      string
	arch     string // as GOARCH, which Debian's own name equals
	progress io.Writer
}

// pkg is a package as apt's index describes it.
type pkg struct {
	name, version string
	depends       []string // names only; the first of alternatives
	bytes         int
}

// release updates the index of the suites that have a version and returns the
// release of its newest kernel.
func (a apt) release(version string) (string, error) {
	chosen := suitesOf(version)
	if err := a.update(chosen); err != nil {
		return "", err
	}
	releases, err := a.releases()
	if err != nil {
		return "", err
	}
	for _, r := range releases {
		if hasVersion(r, version) {
			return r, nil
		}
	}
	return "", fmt.Errorf("no such kernel in %s; there are %s", strings.Join(chosen, ", "), strings.Join(releases, ", "))
}

// suitesOf are those that have a version, or all.
func suitesOf(version string) (chosen []string) {
	var all []string
	for _, s := range suites {
		all = append(all, s.name)
		if hasVersion(version, s.version) {
			chosen = append(chosen, s.name)
		}
	}
	if chosen == nil {
		return all
	}
	return chosen
}

// releases lists the kernels of the index, the newest first.
func (a apt) releases() ([]string, error) {
	flavour := "cloud-" + a.arch
	metas, err := a.show("linux-image-" + flavour)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, meta := range metas {
		for _, name := range meta.depends {
			if release, ok := strings.CutPrefix(name, "linux-image-"); ok && strings.HasSuffix(release, flavour) {
				found = append(found, release)
			}
		}
	}
	slices.SortFunc(found, func(x, y string) int { return compareReleases(y, x) })
	return slices.Compact(found), nil
}

// closure returns the packages that make up a kernel: those of its release
// that its image package leads to.
func (a apt) closure(release string) ([]pkg, error) {
	names := []string{"linux-image-" + release}
	var packages []pkg
	for i := 0; i < len(names); i++ {
		found, err := a.show(names[i])
		if err != nil {
			return nil, err
		}
		packages = append(packages, found[0])
		for _, name := range found[0].depends {
			if strings.HasSuffix(name, release) && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return packages, nil
}

// unpack downloads packages and unpacks them into one tree.
func (a apt) unpack(packages []pkg, dir string) error {
	args := []string{"download"}
	total := 0
	for _, p := range packages {
		args = append(args, p.name+"="+p.version)
		total += p.bytes
	}
	fmt.Fprintf(a.progress, "lab: downloading %s (%d MB)\n", packages[0].name, (total+999_999)/1_000_000)
	get := a.command("apt-get", args...)
	get.Dir = dir
	if err := run(get); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		return err
	}
	fmt.Fprintf(a.progress, "lab: unpacking %s\n", packages[0].name)
	for _, file := range files {
		if err := run(exec.CommandContext(a.ctx, "dpkg-deb", "-x", file, filepath.Join(dir, "tree"))); err != nil {
			return err
		}
	}
	return nil
}

// update points apt at suites of the machine's own mirror and reads their
// indexes.
func (a apt) update(suites []string) error {
	for _, dir := range []string{"lists/partial", "archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, dir), 0o755); err != nil {
			return err
		}
	}
	m, err := a.mirrors()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(a.dir, "status"), nil, 0o644); err != nil {
		return err
	}
	if err := os.WriteFile(a.sources(), []byte(m.list(suites)), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(a.progress, "lab: reading the package lists of %s\n", strings.Join(suites, ", "))
	return run(a.command("apt-get", "update", "-o", "APT::Update::Error-Mode=any"))
}

// mirrors are the archives that the machine itself is set up to use.
type mirrors struct{ main, security string }

// mirrors asks apt, which knows all forms of its sources, for the addresses
// that an update would read.
func (a apt) mirrors() (mirrors, error) {
	uris, err := output(exec.CommandContext(a.ctx, "apt-get", "update", "--print-uris",
		"-o", "Dir::State="+a.dir, "-o", "Dir::State::lists="+filepath.Join(a.dir, "lists")))
	if err != nil {
		return mirrors{}, err
	}
	m := parseMirrors(uris)
	if m.main == "" {
		return m, errors.New("apt on this machine knows no Debian archive: give the path of a vmlinuz instead of a version")
	}
	return m, nil
}

// parseMirrors looks for Debian's suites in lines that begin with
//
//	'ARCHIVE/dists/SUITE/InRelease'
func parseMirrors(uris string) (m mirrors) {
	for line := range strings.Lines(uris) {
		address, _, _ := strings.Cut(line, " ")
		address, isRelease := strings.CutSuffix(strings.Trim(address, "'"), "/InRelease")
		archive, suite, _ := strings.Cut(address, "/dists/")
		switch {
		case !isRelease || !isDebian(suite):
		case strings.HasSuffix(suite, "-security") || strings.HasSuffix(suite, "/updates"):
			m.security = archive
		case m.main == "":
			m.main = archive
		}
	}
	return m
}

func isDebian(suite string) bool {
	name, _, _ := strings.Cut(strings.ReplaceAll(suite, "/", "-"), "-")
	return slices.Contains([]string{"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid",
		"buster", "bullseye", "bookworm", "trixie", "forky", "duke"}, name)
}

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// list is a sources.list of the main and security archives of suites.
func (m mirrors) list(suites []string) string {
	option := ""
	if _, err := os.Stat(keyring); err == nil {
		option = "[signed-by=" + keyring + "] "
	}
	var b strings.Builder
	for _, suite := range suites {
		fmt.Fprintf(&b, "deb %s%s %s main\n", option, m.main, suite)
		if m.security != "" && !strings.Contains(suite, "-") {
			fmt.Fprintf(&b, "deb %s%s %s-security main\n", option, m.security, suite)
		}
	}
	return b.String()
}

func (a apt) sources() string { return filepath.Join(a.dir, "sources.list") }

// command is an apt program with the private state. Old releases are no
// longer re-signed, so the age of their signature says nothing.
func (a apt) command(program string, args ...string) *exec.Cmd {
	return exec.CommandContext(a.ctx, program, append(args,
		"-qq", "-o", "APT::Architecture="+a.arch, "-o", "APT::Architectures="+a.arch,
		"-o", "Dir::Etc::sourcelist="+a.sources(), "-o", "Dir::Etc::sourceparts=-",
		"-o", "Dir::Etc::preferences=/dev/null", "-o", "Dir::Etc::preferencesparts=-",
		"-o", "Dir::State="+a.dir, "-o", "Dir::State::lists="+filepath.Join(a.dir, "lists"),
		"-o", "Dir::State::status="+filepath.Join(a.dir, "status"),
		"-o", "Dir::Cache="+a.dir, "-o", "Dir::Cache::archives="+filepath.Join(a.dir, "archives"),
		"-o", "Acquire::Check-Valid-Until=false", "-o", "APT::Sandbox::User=root",
	)...)
}

// show returns all versions of a package, the newest first.
func (a apt) show(name string) ([]pkg, error) {
	out, err := output(a.command("apt-cache", "show", name))
	if err != nil {
		return nil, err
	}
	var found []pkg
	for paragraph := range strings.SplitSeq(out, "\n\n") {
		if p := parsePackage(paragraph); p.name == name {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no package %s in the package lists", name)
	}
	return found, nil
}

// parsePackage reads a paragraph of "Field: value" lines.
func parsePackage(paragraph string) (p pkg) {
	for line := range strings.Lines(paragraph) {
		field, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch field {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Size":
			p.bytes, _ = strconv.Atoi(value)
		case "Depends":
			for need := range strings.SplitSeq(value, ",") {
				p.depends = append(p.depends, strings.FieldsFunc(need, func(r rune) bool { return strings.ContainsRune(" (|:", r) })[0])
			}
		}
	}
	return p
}

// run runs a program; its last words become the error.
func run(cmd *exec.Cmd) error {
	_, err := output(cmd)
	return err
}

func output(cmd *exec.Cmd) (string, error) {
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w%s", filepath.Base(cmd.Path), err, complaints(&errs))
	}
	return out.String(), nil
}

func complaints(text io.Reader) string {
	var b strings.Builder
	for lines := bufio.NewScanner(text); lines.Scan(); {
		b.WriteString("\n  " + lines.Text())
	}
	return b.String()
}
