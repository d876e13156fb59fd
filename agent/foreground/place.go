package foreground

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// maxOpenFiles bounds how many files are open at a time: a piece may span thousands.
const maxOpenFiles = 32

// makeFiles makes those of the files that do not exist, sparse and at full length, as rain would: their permissions are
// those that rain's configuration asks for. It makes sure that the others can be written to, and that all of their
// names survive a crash. If that fails, it deletes what it has made.
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
		}
		return syncDirectories(root, files)
	}()
	if err != nil && len(made) > 0 {
		return errors.Join(err, deleteFiles(root.Name(), made))
	}
	return err
}

// makeFile makes one file, if it does not exist.
func makeFile(root *os.Root, f file) (created bool, err error) {
	opened, err := root.OpenFile(f.path, os.O_RDWR|noAccessTime, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if err := root.MkdirAll(filepath.Dir(f.path), filePermissions); err != nil {
			return false, err
		}
		opened, err = root.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_EXCL|noAccessTime, filePermissions&^0o111)
		created = err == nil
	}
	if err != nil {
		return false, err
	}
	fi, err := opened.Stat()
	switch {
	case err != nil:
	case fi.Size() == f.length:
	case fi.Size() == 0: // also if a crash came between making it and this
		err = opened.Truncate(f.length)
	default:
		err = fmt.Errorf("%w: %s has changed its length meanwhile", ErrInTheWay, f.path)
	}
	return created, errors.Join(err, opened.Close())
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
	f, err := o.root.OpenFile(o.files[n].path, os.O_WRONLY|noAccessTime, 0)
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
