package records

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"ebb/platform"
)

// ErrAway is what the errors of Present are: the disk that holds a directory is not there.
var ErrAway = errors.New("its disk is not there")

// mostMounts bounds how many directories are remembered, the latest ones.
const mostMounts = 64

// Mounts remembers which file systems hold ebb's directories. A disk that is not mounted, be it that it was unplugged or
// that it comes late at boot, leaves an empty directory on another file system, which is not to be written to: it is
// the device's own flash, as a rule.
//
// The memory is a text file, with a line for each directory that is not on the root file system: the directory, the
// mount point and the file system's identity, each quoted.
type Mounts struct {
	path string

	mu    sync.Mutex // guards known
	known []mounted  // the latest last
}

// mounted says what held a directory.
type mounted struct {
	directory string
	platform.Mount
}

// OpenMounts reads a memory. One that does not exist, or cannot be read, is empty. Without a path it ends with the process.
func OpenMounts(path string) *Mounts {
	m := &Mounts{path: path}
	file, err := os.Open(path)
	if err != nil {
		return m
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan() && len(m.known) < mostMounts; {
		var k mounted
		if n, err := fmt.Sscanf(lines.Text(), "%q %q %q", &k.directory, &k.Point, &k.ID); n == 3 && err == nil {
			m.known = append(m.known, k)
		}
	}
	return m
}

// MountsBeside returns the memory of where the state directory is, which it cannot hold itself: it is kept beside the
// preferences' file.
func MountsBeside(preferences string) *Mounts {
	if preferences == "" {
		return OpenMounts("")
	}
	return OpenMounts(preferences + ".mounts")
}

// Present returns nil if a directory may be worked in, and remembers what holds it. Errors wrap ErrAway, say what to do,
// and are over when the disk is back.
func (m *Mounts) Present(directory string) error {
	directory, err := filepath.Abs(directory)
	if err != nil {
		return err
	}
	now, there, err := platform.MountOf(directory)
	if err != nil {
		return fmt.Errorf("%s cannot be looked at (%w): %w", directory, err, ErrAway)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	at := slices.IndexFunc(m.known, func(k mounted) bool { return k.directory == directory })
	if at >= 0 {
		was := m.known[at].Mount
		switch {
		case was == now:
			return nil
		case away(was, now):
			return fmt.Errorf("%s is on a disk that is not mounted at %s: mount it, and it goes on by itself (if the directory is to be on this disk from now on, take its line out of %s): %w",
				directory, was.Point, m.path, ErrAway)
		case replaced(directory, was, now) && !there:
			return fmt.Errorf("%s is not on the disk that is mounted at %s now: mount the right one, or make that directory: %w",
				directory, now.Point, ErrAway)
		}
		m.known = slices.Delete(m.known, at, at+1)
	}
	lasting := now.Point == "" || now.Point == "/" // cannot be told, or cannot go away
	if !lasting {
		m.known = append(m.known, mounted{directory, now})
		m.known = m.known[max(len(m.known)-mostMounts, 0):]
	}
	if at >= 0 || !lasting {
		m.save()
	}
	return nil
}

// Measured returns how to measure the file system of a directory. While its disk is away there is none.
func (m *Mounts) Measured(directory string) func() (platform.FileSystem, error) {
	return func() (platform.FileSystem, error) {
		if err := m.Present(directory); err != nil {
			return platform.FileSystem{}, err
		}
		return platform.DiskUsage(directory)
	}
}

// away reports whether the file system that was mounted is not there any more, and another one shows instead.
func away(was, now platform.Mount) bool {
	return now.Point != "" && was.Point != now.Point && was.ID != now.ID
}

// replaced reports whether another file system is mounted in the same place. An identity may change with a disk's
// number, so that alone says little.
func replaced(directory string, was, now platform.Mount) bool {
	return was.Point == now.Point && was.ID != now.ID && directory != now.Point
}

// save writes the memory down. That it cannot be is no reason not to work: what is in memory serves until ebb ends. m.mu
// is held.
func (m *Mounts) save() {
	if m.path == "" {
		return
	}
	var text strings.Builder
	for _, k := range m.known {
		fmt.Fprintf(&text, "%q %q %q\n", k.directory, k.Point, k.ID)
	}
	temporary := m.path + ".new"
	if os.WriteFile(temporary, []byte(text.String()), 0o600) == nil {
		_ = os.Rename(temporary, m.path)
	}
}
