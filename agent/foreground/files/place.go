package files

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"ebb/platform"
)

// Modes of what is made for a download; the umask takes from them what the owner wants it to.
const (
	directoryMode = 0o777
	fileMode      = 0o666
)

// ErrInTheWay says that something which is not ours is where a file has to be.
var ErrInTheWay = errors.New("something is in the way")

// File is one file of a download.
type File struct {
	Path   string // below Place.Directory, as it is on the disk
	Length int64  // bytes
}

// Place is where a download is on the disk.
type Place struct {
	Directory string
	Files     []File // those that are written, in the torrent's order; all below one name, the Top

	to   *Place // where they are to be moved to: see Store.PlanMove
	from *Place // where something is left of a move
}

// Top returns the name of the file or directory that holds all files; "" if there are none.
func (p Place) Top() string {
	if len(p.Files) == 0 {
		return ""
	}
	top, _, _ := strings.Cut(p.Files[0].Path, string(filepath.Separator))
	return top
}

// check makes sure that no path leads elsewhere: places are read from the disk.
func (p Place) check() error {
	top := p.Top()
	for _, f := range p.Files {
		first, _, _ := strings.Cut(f.Path, string(filepath.Separator))
		if !filepath.IsLocal(f.Path) || first == "." || first != top {
			return fmt.Errorf("its file %q would lie outside of its own directory", f.Path)
		}
	}
	if top == "" {
		return errors.New("it has no files")
	}
	return nil
}

// Found is what is on disk of a torrent.
type Found struct {
	Present     int   // files that exist
	Absent      int64 // bytes of files that do not
	Unallocated int64 // bytes of files that exist which have no blocks yet
}

// Missing returns how many bytes still have to find room on the disk. unchecked is how many bytes of the torrent are
// not hash-checked: on a file system that compresses, a complete file has fewer blocks than bytes.
func (f Found) Missing(unchecked int64) int64 {
	return f.Absent + min(f.Unallocated, max(unchecked, 0))
}

// Survey looks at the files. It is an error if a download would damage something that it has not written, or that the
// owner has changed since: every file gets its full length at once, so what has another one is neither whole nor half
// of a download.
func (p Place) Survey() (Found, error) {
	var sum Found
	for _, f := range p.Files {
		path := filepath.Join(p.Directory, f.Path)
		fi, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			sum.Absent += f.Length
		case err != nil:
			return Found{}, fmt.Errorf("looking at its files: %w", err)
		case !f.is(fi):
			return Found{}, fmt.Errorf("%w: %s exists and is not what was downloaded: move it away and try again", ErrInTheWay, path)
		default:
			sum.Present++
			sum.Unallocated += max(f.Length-platform.Allocated(fi), 0)
		}
	}
	return sum, nil
}

// is reports whether what is at the path may be the file: it has its length, or none yet, as after a crash between
// making it and that.
func (f File) is(fi fs.FileInfo) bool {
	return fi.Mode().IsRegular() && (fi.Size() == 0 || fi.Size() == f.Length)
}

// Make makes those of the files that do not exist, sparse and at full length, and makes sure that all of their names
// survive a crash. If that fails, it deletes what it has made.
func (p Place) Make() error {
	root, err := os.OpenRoot(p.Directory)
	if err != nil {
		return err
	}
	defer root.Close()
	var made []File
	err = func() error {
		for _, f := range p.Files {
			created, err := f.make(root)
			if created {
				made = append(made, f)
			}
			if err != nil {
				return err
			}
			if err := f.writable(root); err != nil {
				return err
			}
		}
		return syncDirectories(root, p.Files)
	}()
	if err != nil && len(made) > 0 {
		return errors.Join(err, Place{Directory: p.Directory, Files: made}.Delete())
	}
	return err
}

// make makes one file at full length, sparse, if it does not exist. Nothing is written to it otherwise, so it may be
// one that can only be read.
func (f File) make(root *os.Root) (made bool, err error) {
	fi, err := root.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	case !f.is(fi):
		return false, fmt.Errorf("%w: %s exists and is not what was downloaded", ErrInTheWay, f.Path)
	case fi.Size() == f.Length:
		return false, nil
	}
	made = err != nil
	if made {
		if err := root.MkdirAll(filepath.Dir(f.Path), directoryMode); err != nil {
			return false, err
		}
	}
	flags := os.O_RDWR
	if made {
		flags |= os.O_CREATE | os.O_EXCL
	}
	opened, err := root.OpenFile(f.Path, flags, fileMode)
	if err != nil {
		return false, err
	}
	return made, errors.Join(opened.Truncate(f.Length), opened.Close())
}

// writable returns an error if the file cannot be written to.
func (f File) writable(root *os.Root) error {
	opened, err := root.OpenFile(f.Path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	return opened.Close()
}

// Delete deletes the files and the directories that this leaves empty. It does not follow symbolic links out of the
// directory.
func (p Place) Delete() error {
	root, err := os.OpenRoot(p.Directory)
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for _, f := range p.Files {
		if err := root.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, parent := range parents(p.Files) {
		err := root.Remove(parent)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, fs.ErrExist) {
			errs = append(errs, err)
		}
	}
	if len(errs) > 5 { // one line of reasons is enough
		errs = append(errs[:5], fmt.Errorf("and %d more", len(errs)-5))
	}
	return errors.Join(errs...)
}

// syncDirectories makes the names of the files last.
func syncDirectories(root *os.Root, files []File) error {
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
func parents(files []File) []string {
	known := make(map[string]bool)
	for _, f := range files {
		for dir := filepath.Dir(f.Path); dir != "." && !known[dir]; dir = filepath.Dir(dir) {
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
