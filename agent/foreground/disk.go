package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ebb/platform"
)

// file is one that rain writes.
type file struct {
	path   string // relative to the download directory
	length int64  // bytes
}

// topLevel returns the name of the file or directory that holds all files. No path may lead elsewhere: rain joins them
// to the download directory unchecked.
func topLevel(files []file) (string, error) {
	top := ""
	for _, f := range files {
		first, _, _ := strings.Cut(f.path, string(filepath.Separator))
		if !filepath.IsLocal(f.path) || first == "." || top != "" && first != top {
			return "", fmt.Errorf("%w: its file %q would lie outside of its own directory", ErrBadSource, f.path)
		}
		top = first
	}
	if top == "" {
		return "", fmt.Errorf("%w: it has no files", ErrBadSource)
	}
	return top, nil
}

// found is what is on disk of a torrent.
type found struct {
	present     int   // files that exist
	absent      int64 // bytes of files that do not
	unallocated int64 // bytes of files that exist which have no blocks yet
}

// missing returns how many bytes still have to find room on the disk. unchecked is how many bytes of the torrent are
// not hash-checked: on a file system that compresses, a complete file has fewer blocks than bytes.
func (f found) missing(unchecked int64) int64 {
	return f.absent + min(f.unallocated, max(unchecked, 0))
}

// survey looks at the files of a torrent. It is an error if rain would damage something that it has not written, or
// that the owner has changed since: rain gives every file its full length at once, so what has another one is neither
// whole nor half of a download.
func survey(directory string, files []file) (found, error) {
	var sum found
	for _, f := range files {
		path := filepath.Join(directory, f.path)
		fi, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			sum.absent += f.length
		case err != nil:
			return found{}, fmt.Errorf("looking at its files: %w", err)
		case !fi.Mode().IsRegular() || fi.Size() != 0 && fi.Size() != f.length:
			return found{}, fmt.Errorf("%w: %s exists and is not what was downloaded: move it away and try again", ErrInTheWay, path)
		default:
			sum.present++
			sum.unallocated += max(f.length-platform.Allocated(fi), 0)
		}
	}
	return sum, nil
}

// deleteFiles deletes the files and the directories that this leaves empty. It does not follow symbolic links out of
// directory.
func deleteFiles(directory string, files []file) error {
	root, err := os.OpenRoot(directory)
	if err != nil {
		return err
	}
	defer root.Close()
	var errs []error
	for _, f := range files {
		if err := root.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	for _, parent := range parents(files) {
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
