package symbols

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Running returns the running kernel's symbols: Live where it shows this process
// its addresses; else those of its image, at the addresses it was linked for,
// and a note that says so in words.
func Running(o ImageOptions) (k Kernel, note string, err error) {
	live := Open(Options{})
	_, hidden := live.text()
	if hidden == nil {
		return live, "", nil
	}
	live.Close()
	im, err := openRunning(o)
	if err != nil {
		return nil, "", fmt.Errorf("%w; its image can't be read instead: %w", hidden, err)
	}
	return im, fmt.Sprintf("%v; these are the link addresses of %s, the running kernel is elsewhere by what KASLR added", hidden, im.path), nil
}

// openRunning finds the running kernel's image, which is known by its build id.
func openRunning(o ImageOptions) (*Image, error) {
	running, err := RunningBuildID()
	if err != nil {
		return nil, err
	}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, err
	}
	release := unix.ByteSliceToString(name.Release[:])
	var errs []error
	for _, path := range imagePaths(release) {
		im, err := OpenImage(path, o)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			errs = append(errs, err)
		case im.BuildID() != running:
			errs = append(errs, fmt.Errorf("%s is another kernel: its build id is %s, that of the running one %s", path, im.BuildID(), running))
			im.Close()
		default:
			return im, nil
		}
	}
	if errs == nil {
		return nil, fmt.Errorf("there is none of %s in /boot or /usr/lib/modules", release)
	}
	return nil, errors.Join(errs...)
}

// imagePaths are where distributions put an image; Debian since 7.0 beside the
// modules only.
func imagePaths(release string) []string {
	return []string{"/boot/vmlinuz-" + release, filepath.Join("/usr/lib/modules", release, "vmlinuz")}
}

// RunningBuildID returns the running kernel's build id in hexadecimal digits. It
// needs no rights.
func RunningBuildID() (string, error) {
	notes, err := os.ReadFile("/sys/kernel/notes")
	if err != nil {
		return "", err
	}
	if id := buildID(notes); id != "" {
		return id, nil
	}
	return "", errors.New("/sys/kernel/notes has no build id")
}

// buildID finds the note GNU of type 3. A note is the sizes of its name and text
// and a type, u32 each, then both, each padded to 4 bytes.
func buildID(notes []byte) string {
	const gnuBuildID = 3
	for len(notes) >= 12 {
		word := binary.LittleEndian.Uint32
		nameSize, textSize, kind := uint64(word(notes)), uint64(word(notes[4:])), word(notes[8:])
		text := 12 + (nameSize+3)&^3
		next := text + (textSize+3)&^3
		if text+textSize > uint64(len(notes)) {
			break
		}
		if kind == gnuBuildID && bytes.Equal(notes[12:12+nameSize], []byte("GNU\x00")) {
			return hex.EncodeToString(notes[text : text+textSize])
		}
		notes = notes[min(next, uint64(len(notes))):]
	}
	return ""
}

// KASLR returns by how much the running kernel's addresses are above those of
// the image, if it is the running kernel's.
func (im *Image) KASLR() (uint64, error) {
	running, err := RunningBuildID()
	if err != nil {
		return 0, err
	}
	if im.BuildID() != running {
		return 0, fmt.Errorf("%s is not the image of the running kernel", im.image)
	}
	live := Open(Options{})
	defer live.Close()
	return live.KASLR()
}
