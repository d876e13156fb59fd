package fragstore

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// foreignReported bounds how many foreign files are named in the log.
const foreignReported = 5

// reconcile deletes the files that the index does not know or knows with another length, and what was left incoming;
// drops the entries whose files are missing; and adds up what the rest occupies. It runs before the store is in use.
func (s *Store) reconcile(c *contents) error {
	var strays, incoming, foreign int
	err := walk(s.root, visitor{
		fragment: func(k Key, in *os.Root, name string, fi os.FileInfo) error {
			e := s.table.find(k)
			if e == nil || int64(e.length) != fi.Size() {
				strays++
				return in.Remove(name)
			}
			e.bytes = asBytes(occupied(fi))
			e.state |= found
			s.used += int64(e.bytes)
			return nil
		},
		incoming: func(in *os.Root, name string, _ os.FileInfo) error {
			incoming++
			return in.Remove(name)
		},
		foreign: func(path string) {
			if foreign++; foreign <= foreignReported {
				s.log.Warn("a file in the fragments directory is not ours, and is left alone", "path", path)
			}
		},
		left: s.removeEmpty,
	})
	if err != nil {
		return err
	}
	c.stale = s.dropMissing()
	if n := len(c.stale); strays+incoming+foreign+n > 0 {
		s.log.Info("the fragments directory and its index were made to agree",
			"strays_deleted", strays, "incoming_deleted", incoming, "missing_dropped", n, "foreign", foreign)
	}
	return nil
}

// dropMissing removes the entries whose files were not found.
func (s *Store) dropMissing() (missing []Key) {
	for h, sw := range s.table.swarms {
		var gone []uint32
		for i := range sw.entries {
			e := &sw.entries[i]
			if !e.is(found) {
				gone = append(gone, e.index)
				missing = append(missing, Key{h, e.index})
			}
			e.state &^= found
		}
		s.table.remove(h, gone)
	}
	return missing
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
