package foreground

import (
	"cmp"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// maxOpenFiles bounds how many files are open at a time: a piece may span thousands.
const maxOpenFiles = 32

// makeFiles makes those of the files that do not exist, sparse and at full length, and makes sure that all of their names
// survive a crash. If that fails, it deletes what it has made.
func makeFiles(root *os.Root, files []file) error {
	var made []file
	err := func() error {
		for _, f := range files {
			created, err := makeFile(root, f)
			if created {
				made = append(made, f)
			}
			if err != nil {
				return err
			}
			if err := writable(root, f); err != nil {
				return err
			}
		}
		return syncDirectories(root, files)
	}()
	if err != nil && len(made) > 0 {
		return errors.Join(err, deleteFiles(root.Name(), made))
	}
	return err
}

// writable returns an error if a file cannot be written to.
func writable(root *os.Root, f file) error {
	opened, err := root.OpenFile(f.path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return opened.Close()
}

// syncDirectories makes the names of the files last.
func syncDirectories(root *os.Root, files []file) error {
	for _, dir := range parents(files) {
		if err := syncBelow(root, dir); err != nil {
			return err
		}
	}
	return syncBelow(root, ".")
}

func syncBelow(root *os.Root, path string) error {
	dir, err := root.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, syscall.ENOTSUP) {
		err = nil // some network file systems know no such thing
	}
	return errors.Join(err, dir.Close())
}

// parents returns the directories that the files are in, and those that these are in, below the download directory. A
// directory comes after what is in it.
func parents(files []file) []string {
	known := make(map[string]bool)
	for _, f := range files {
		for dir := filepath.Dir(f.path); dir != "." && !known[dir]; dir = filepath.Dir(dir) {
			known[dir] = true
		}
	}
	order := make([]string, 0, len(known))
	for dir := range known {
		order = append(order, dir)
	}
	slices.SortFunc(order, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return order
}

// openFiles are the files of a torrent that pieces are being written to.
type openFiles struct {
	root  *os.Root
	files []file
	open  map[int]*os.File // by index in files; has not been synced
}

// write writes what r gives to the spans, one after the other. Padding is skipped. If both sides are files, the kernel
// copies, or shares the blocks where the file system can.
func (o *openFiles) write(spans iter.Seq[span], r io.Reader) error {
	for s := range spans {
		if s.file == padding {
			if _, err := io.CopyN(io.Discard, r, s.length); err != nil {
				return err
			}
			continue
		}
		f, err := o.file(s.file)
		if err != nil {
			return err
		}
		if _, err := f.Seek(s.off, io.SeekStart); err != nil {
			return err
		}
		if _, err := io.CopyN(f, r, s.length); err != nil {
			return err
		}
	}
	return nil
}

// file returns the file, open for writing.
func (o *openFiles) file(n int) (*os.File, error) {
	if f := o.open[n]; f != nil {
		return f, nil
	}
	if len(o.open) >= maxOpenFiles {
		if err := o.sync(); err != nil {
			return nil, err
		}
	}
	f, err := o.root.OpenFile(o.files[n].path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	if o.open == nil {
		o.open = make(map[int]*os.File)
	}
	o.open[n] = f
	return f, nil
}

// sync syncs and closes what is open.
func (o *openFiles) sync() error {
	for n, f := range o.open {
		delete(o.open, n)
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// close closes what is open, without syncing it.
func (o *openFiles) close() {
	for _, f := range o.open {
		f.Close() // what was written to it counts as not written
	}
	o.open = nil
}
