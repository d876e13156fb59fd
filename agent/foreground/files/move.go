package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/platform"
)

// copyUnit is how much is copied, and compared, at a time. Bytes.
const copyUnit = 256 << 10

// PlanMove writes down that the files of a download are to be moved to a directory. Nothing is moved yet. A plan holds
// over restarts until Move has carried it out, or another replaces it; the plan to move where the files are undoes what
// was moved. Errors wrap ErrInTheWay if there is something in the other directory already.
func (s *Store) PlanMove(h swarm.InfoHash, directory string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.places[h]
	switch {
	case !ok:
		return fmt.Errorf("it is not known where the files of %s are", h.String())
	case p.to == nil && directory == p.Directory, p.to != nil && directory == p.to.Directory:
		return nil
	}
	if p.to != nil {
		if err := p.undo(); err != nil {
			return fmt.Errorf("moving back what was moved to %s: %w", p.to.Directory, err)
		}
		p.to = nil
	}
	if directory != p.Directory {
		if p.present() == 0 {
			return fmt.Errorf("none of its files is in %s yet", p.Directory)
		}
		to := p.in(directory, func(top string) bool { return s.taken(h, directory, top) })
		for _, f := range to.Files {
			if _, err := os.Lstat(filepath.Join(directory, f.Path)); err == nil {
				return fmt.Errorf("%w: %s exists: move it away and try again", ErrInTheWay, filepath.Join(directory, f.Path))
			} else if !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		p.to = &to
	}
	return s.keep(h, p)
}

// Stay drops the plan to move a download, and undoes what was moved.
func (s *Store) Stay(h swarm.InfoHash) error {
	p, ok := s.Place(h)
	if !ok || p.to == nil {
		return nil
	}
	return s.PlanMove(h, p.Directory)
}

// Moving returns the directory that a download is to be moved to.
func (s *Store) Moving(h swarm.InfoHash) (directory string, moving bool) {
	p, _ := s.Place(h)
	if p.to == nil {
		return "", false
	}
	return p.to.Directory, true
}

// in returns the place of the same files in another directory, by names that fit there.
func (p Place) in(directory string, taken func(string) bool) Place {
	info := &peerwire.Info{Name: p.Top()}
	var lengths []int64
	for _, f := range p.Files {
		rest, inside := strings.CutPrefix(f.Path, info.Name+string(filepath.Separator))
		info.MultiFile = info.MultiFile || inside
		info.Files = append(info.Files, peerwire.File{Path: filepath.ToSlash(rest), Length: f.Length})
		lengths = append(lengths, f.Length)
	}
	return place(directory, Fit(info, RulesOf(directory), taken), lengths)
}

// Move carries out the plan. Nobody may use the files meanwhile. moved is told how many bytes are where they are to be.
//
// The steps, each of which may be the last before somebody pulls the plug:
//
//  1. Each file is renamed; and where that is not possible, since the directory
//     is on another file system, copied, synced, and read again to compare.
//  2. The other place is written down as the one where the files are. From now on
//     they are there.
//  3. What is left in the former place is deleted: the copied files, and the
//     directories that are empty.
//
// Move again goes on from there. Until step 2 nothing is deleted, and the plan can be undone.
func (s *Store) Move(ctx context.Context, h swarm.InfoHash, moved func(bytes int64)) (Place, error) {
	p, ok := s.Place(h)
	if !ok || p.to == nil {
		return p, nil
	}
	if p.present()+p.to.present() == 0 {
		return p, fmt.Errorf("none of its files is in %s or in %s: a disk may be missing: %w", p.Directory, p.to.Directory, fs.ErrNotExist)
	}
	if err := p.makeRoom(); err != nil {
		return p, err
	}
	if err := p.transfer(ctx, *p.to, moved); err != nil {
		return p, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	former := Place{Directory: p.Directory, Files: p.Files}
	p = *p.to
	p.from = &former
	if err := s.keep(h, p); err != nil {
		return p, err
	}
	return p, s.tidy(h)
}

// Tidy deletes what moves have left in former places, when somebody was killed or a disk was away.
func (s *Store) Tidy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for h, p := range s.places {
		if p.from != nil {
			errs = append(errs, s.tidy(h))
		}
	}
	return errors.Join(errs...)
}

// tidy deletes what a move has left. The caller holds mu.
func (s *Store) tidy(h swarm.InfoHash) error {
	p := s.places[h]
	if err := p.from.Delete(); err != nil {
		return fmt.Errorf("deleting what was moved from %s: %w", p.from.Directory, err)
	}
	p.from = nil
	return s.keep(h, p)
}

// transfer moves or copies the files of a place to another.
func (p Place) transfer(ctx context.Context, to Place, moved func(int64)) error {
	source, err := os.OpenRoot(p.Directory)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenRoot(to.Directory)
	if err != nil {
		return err
	}
	defer target.Close()
	c := copier{ctx: ctx, source: source, target: target, moved: moved}
	for n, f := range p.Files {
		if err := c.move(f, to.Files[n]); err != nil {
			return fmt.Errorf("moving %s: %w", filepath.Join(p.Directory, f.Path), err)
		}
	}
	return syncDirectories(target, to.Files)
}

// copier moves files from one directory to another.
type copier struct {
	ctx            context.Context
	source, target *os.Root
	moved          func(int64)
	done           int64 // bytes
}

// move moves one file, or copies it.
func (c *copier) move(from, to File) error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	before := c.done
	_, err := c.source.Stat(from.Path)
	if errors.Is(err, fs.ErrNotExist) {
		// It was never made, or is there already. What is gone altogether is found missing by whoever opens it.
		c.tell(from.Length)
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.target.MkdirAll(filepath.Dir(to.Path), directoryMode); err != nil {
		return err
	}
	if _, err := c.target.Lstat(to.Path); errors.Is(err, fs.ErrNotExist) {
		err := rename(c.source, from.Path, c.target, to.Path)
		if err == nil {
			c.tell(from.Length)
			return nil
		}
		if !errors.Is(err, syscall.EXDEV) {
			return err
		}
	}
	if err := c.copy(from, to); err != nil {
		return err
	}
	c.done = before
	c.tell(from.Length)
	return nil
}

// tell says that so many bytes more are moved.
func (c *copier) tell(bytes int64) {
	c.done += bytes
	c.moved(c.done)
}

// copy copies a file, and makes sure that the copy is on the disk and the same. What somebody has begun before and is
// the same already is not written again.
func (c *copier) copy(from, to File) error {
	in, err := c.source.Open(from.Path)
	if err != nil {
		return err
	}
	defer in.Close()
	fi, err := in.Stat()
	if err != nil {
		return err
	}
	if _, err := to.make(c.target); err != nil {
		return err
	}
	out, err := c.target.OpenFile(to.Path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Chmod(fi.Mode().Perm()); err != nil && !errors.Is(err, syscall.EPERM) && !errors.Is(err, errors.ErrUnsupported) {
		return err // FAT has no modes
	}
	if _, err := c.pass(in, out, false); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	uncache(out, 0, 0) // so that it is read from the disk now
	same, err := c.pass(in, out, true)
	if err == nil && !same {
		err = fmt.Errorf("the copy in %s differs from what was copied: that disk is faulty", to.Path)
	}
	return err
}

// pass goes through both files, and writes what differs, or only compares. Holes stay holes.
func (c *copier) pass(in, out *os.File, compare bool) (same bool, err error) {
	a, b := make([]byte, copyUnit), make([]byte, copyUnit)
	for off := int64(0); ; {
		if c.ctx.Err() != nil {
			return false, context.Cause(c.ctx)
		}
		n, err := in.ReadAt(a, off)
		if n > 0 {
			m, readErr := out.ReadAt(b[:n], off)
			switch equal := bytes.Equal(a[:n], b[:m]); {
			case readErr != nil && readErr != io.EOF:
				return false, readErr
			case !equal && compare:
				return false, nil
			case !equal:
				if _, err := out.WriteAt(a[:n], off); err != nil {
					return false, err
				}
			}
			uncache(in, off, int64(n))
			off += int64(n)
			if !compare {
				c.tell(int64(n))
			}
		}
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
}

// undo moves back what was moved, and deletes what was copied.
func (p Place) undo() error {
	target, err := os.OpenRoot(p.to.Directory)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer target.Close()
	source, err := os.OpenRoot(p.Directory)
	if err != nil {
		return err
	}
	defer source.Close()
	for n, f := range p.to.Files {
		back := p.Files[n].Path
		if _, err := target.Lstat(f.Path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := source.Lstat(back); !errors.Is(err, fs.ErrNotExist) {
			continue // it was copied
		}
		if err := source.MkdirAll(filepath.Dir(back), directoryMode); err != nil {
			return err
		}
		if err := rename(target, f.Path, source, back); err != nil {
			return err
		}
	}
	if err := syncBelow(source, "."); err != nil {
		return err
	}
	return p.to.Delete()
}

// makeRoom makes sure that what is to be copied fits on the other disk.
func (p Place) makeRoom() error {
	here, err := platform.DiskUsage(p.Directory)
	if err != nil {
		return err
	}
	there, err := platform.DiskUsage(p.to.Directory)
	if err != nil || here.ID == there.ID {
		return err
	}
	var needed int64
	for n, f := range p.Files {
		if fi, err := os.Stat(filepath.Join(p.Directory, f.Path)); err == nil {
			needed += platform.Allocated(fi)
		}
		if fi, err := os.Stat(filepath.Join(p.to.Directory, p.to.Files[n].Path)); err == nil {
			needed -= platform.Allocated(fi)
		}
	}
	if needed > there.Free {
		return fmt.Errorf("%s has %d MiB free, and %d MiB are needed there: %w", p.to.Directory, there.Free>>20, needed>>20, syscall.ENOSPC)
	}
	return nil
}
