package prefs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Load reads the preferences at path. If there is no such file the error is fs.ErrNotExist; what is wrong in the file
// is of type Problems.
func Load(path string) (Preferences, error) {
	text, err := read(path)
	if err != nil {
		return Preferences{}, err
	}
	return parseFile(path, text)
}

func parseFile(path string, text []byte) (Preferences, error) {
	p, err := Parse(text)
	if err != nil {
		return Preferences{}, fmt.Errorf("preferences %s: %w", path, err)
	}
	return p, nil
}

// read returns at most one byte more than Parse accepts.
func read(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading preferences: %w", err)
	}
	if !info.Mode().IsRegular() { // opening a pipe could wait for ever
		return nil, fmt.Errorf("reading preferences: %s is not a regular file", path)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading preferences: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxText+1))
	if err != nil {
		return nil, fmt.Errorf("reading preferences: %w", err)
	}
	return text, nil
}

// Save writes valid preferences to path, readable by this user only (0600). At every moment, power cuts included, path
// holds either the old file whole or the new one; on an error it is the old one, unless only the last step, making the
// change of name durable, failed. A symbolic link stays, and the file that it names is replaced.
func Save(path string, p Preferences) error {
	if err := p.Validate(); err != nil {
		return fmt.Errorf("saving preferences: %w", err)
	}
	text := p.Text()
	// What the next start could not read must not replace what it can.
	if again, err := Parse(text); err != nil {
		return fmt.Errorf("saving preferences: %w", err)
	} else if !again.Equal(p) {
		return errors.New("saving preferences: they would not read back the same")
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		target, err = path, nil
	}
	if err == nil {
		err = replace(target, text)
	}
	if err != nil {
		return fmt.Errorf("saving preferences to %s: %w", path, err)
	}
	return nil
}

// replace puts a new file in the place of path, in steps of which each leaves a whole file there.
func replace(path string, text []byte) error {
	dir, base := filepath.Split(path)
	if dir == "" {
		dir = "."
	}
	temporary, err := os.CreateTemp(dir, "."+base+".*.tmp") // made with 0600
	if err != nil {
		return err
	}
	if err := writeOut(temporary, text); err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return syncDirectory(dir)
}

// writeOut fills the file, waits until it is on disk, and closes it.
func writeOut(file *os.File, text []byte) error {
	_, err := file.Write(text)
	if err == nil {
		err = file.Sync() // before the rename, or a power cut could leave an empty file under the name
	}
	return errors.Join(err, file.Close())
}

func syncDirectory(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil // some network and FUSE file systems do not sync directories; the rename is as durable as they make it
	}
	return errors.Join(err, d.Close())
}
