package fragstore

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"ebb/agent/swarm"
)

// foreignReported bounds how many foreign files are named in the log.
const foreignReported = 5

// reconciled says what reconcile has found.
type reconciled struct {
	strays, incoming int      // files that were deleted
	resized          int      // fragments that take another space on disk than was counted
	missing          []Key    // entries that had no file, and were dropped
	foreign          []string // paths of what is not ours, the first few
	foreigners       int      // how many there are

	left      int64 // what files occupy that could not be deleted, bytes
	undeleted error // the first reason why
}

// reconcile makes the table agree with the directory. It deletes the files that the table does not know or knows with
// another length, and the incoming files without a Writer; drops the entries whose files are missing; and adds up
// what the rest occupies. The store is not in use yet, or s.moves is held.
func (s *Store) reconcile() (r reconciled, err error) {
	now := stampOf(time.Now())
	s.mu.Lock()
	s.table.each(func(_ swarm.InfoHash, e *entry) { e.state &^= found })
	s.mu.Unlock()
	err = walk(s.root, visitor{
		fragment: func(k Key, in directory, name string, fi os.FileInfo) error {
			if !s.meet(&r, k, fi, now) {
				r.remove(&r.strays, in, name, fi)
			}
			return nil
		},
		incoming: func(in directory, name string, fi os.FileInfo) error {
			if !s.receives(name) {
				r.remove(&r.incoming, in, name, fi)
			}
			return nil
		},
		foreign: func(path string) {
			if r.foreigners++; r.foreigners <= foreignReported {
				r.foreign = append(r.foreign, path)
			}
		},
		left: s.removeEmpty,
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil { // what was not gone through is not missing, but what was met counts
		s.left = max(s.left, r.left)
		s.used = s.sum()
		return r, err
	}
	r.missing = s.dropMissing()
	s.left = r.left
	s.used = s.sum()
	return r, nil
}

// meet takes note of a fragment's file. It reports whether there is such a fragment.
func (s *Store) meet(r *reconciled, k Key, fi os.FileInfo, now stamp) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.table.find(k)
	if e == nil || int64(e.length) != fi.Size() {
		return false
	}
	e.state |= found
	if e.stored == 0 { // an index of format 1 did not say
		e.stored = min(stampOf(fi.ModTime()), now)
		e.state |= unsaved
	}
	bytes := asBytes(occupied(fi))
	if e.bytes != 0 && e.bytes != bytes {
		// Somebody has done something to the file, or the file system has taken its time to allocate it. In doubt, its
		// hash tells.
		r.resized++
		e.state &^= verified
		s.tell(k.Hash, e)
	}
	e.bytes = bytes
	return true
}

// receives reports whether an incoming file has a Writer.
func (s *Store) receives(name string) bool {
	k, ok := parseIncoming(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	return ok && s.writers[k] != nil
}

func (r *reconciled) remove(count *int, in directory, name string, fi os.FileInfo) {
	err := in.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		*count++
		return
	}
	r.left += occupied(fi)
	if r.undeleted == nil {
		r.undeleted = err
	}
}

// report says in the log what was not as it should be.
func (r *reconciled) report(log *slog.Logger) {
	for _, path := range r.foreign {
		log.Warn("a file in the fragments directory is not ours, and is left alone", "path", path)
	}
	if n := len(r.missing); r.strays+r.incoming+r.foreigners+n > 0 {
		log.Info("the fragments directory and its index were made to agree",
			"strays_deleted", r.strays, "incoming_deleted", r.incoming, "missing_dropped", n, "foreign", r.foreigners)
	}
}

// dropMissing removes the entries whose files were not found. s.mu is held.
func (s *Store) dropMissing() (missing []Key) {
	for h, sw := range s.table.swarms {
		var gone []uint32
		for i := range sw.entries {
			if e := &sw.entries[i]; !e.is(found) {
				gone = append(gone, e.index)
				missing = append(missing, Key{h, e.index})
			}
		}
		s.table.remove(h, gone)
	}
	return missing
}

// sum adds up what used is made of. s.mu is held.
func (s *Store) sum() int64 {
	total := s.left
	s.table.each(func(_ swarm.InfoHash, e *entry) { total += int64(e.bytes) })
	for _, w := range s.writers {
		total += w.charge
	}
	return total
}

// removeEmpty removes a directory of ours if nothing is in it.
func (s *Store) removeEmpty(dir string) error {
	if dir == incomingDir {
		return nil
	}
	err := s.root.Remove(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) || errors.Is(err, syscall.ENOTEMPTY) {
		return nil
	}
	return err
}
