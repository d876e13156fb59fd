package fragstore

import (
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
)

// Open opens the store in dir, with its index in the file index, and makes the two agree; it creates what is missing.
// Only one process can have a store open. After an unclean stop every fragment is hashed again before it is first
// served. Errors are one line and say what to do.
func Open(dir, index string, opts Options) (*Store, error) {
	log := opts.Log
	if log == nil {
		log = slog.Default()
	}
	s := &Store{
		dir: dir, indexPath: index, log: log, preallocate: preallocate,
		writers:   make(map[Key]*Writer),
		verifying: make(map[Key]chan struct{}),
	}
	for _, d := range []string{filepath.Dir(index), dir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("creating the directory of the fragments: %w", explainDisk(err))
		}
	}
	// The index comes first: its lock keeps two processes from cleaning up each other's incoming files.
	c, err := openIndex(index, log)
	if err != nil {
		return nil, err
	}
	if err := s.openTree(c); err != nil {
		if closeErr := c.db.Close(); closeErr != nil {
			log.Error("closing the fragment index", "err", closeErr)
		}
		return nil, err
	}
	s.index = newIndex(c.db, c.file, log)
	s.bringUpToDate(c)
	return s, nil
}

// openTree makes the table agree with the directory.
func (s *Store) openTree(c *contents) (err error) {
	if s.root, err = os.OpenRoot(s.dir); err != nil {
		return fmt.Errorf("opening the fragments directory: %w", explainDisk(err))
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("fragments directory %s: %w", s.dir, explainDisk(err))
			s.root.Close()
		}
	}()
	if err := s.root.MkdirAll(incomingDir, 0o700); err != nil {
		return err
	}
	s.block = blockSize(s.dir)
	s.table = c.table
	if err := s.reconcile(c); err != nil {
		return err
	}
	if err := s.probe(); err != nil && !isFull(err) { // the store must open on a full disk, to make room
		return err
	}
	// Last of all: nothing that goes wrong before costs the mark.
	clean, err := takeMark(s.indexPath, c.txid)
	if err != nil {
		return err
	}
	s.epoch = c.epoch
	if !clean {
		s.distrust(c)
	}
	return nil
}

// probe finds out now, and not at the first fragment, that the directory cannot be written.
func (s *Store) probe() error {
	name := incomingPath(Key{})
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return s.root.Remove(name)
}

// distrust begins a new epoch: no fragment counts as verified.
func (s *Store) distrust(c *contents) {
	if s.table.entries == 0 {
		return
	}
	s.epoch++
	for _, sw := range s.table.swarms {
		for i := range sw.entries {
			sw.entries[i].state &^= verified
		}
	}
	s.log.Info("the last stop was not clean: every fragment is verified again before it is served", "fragments", s.table.entries)
}

// bringUpToDate lets the index hear what opening has found. It is written behind: a full disk does not keep the store from opening.
func (s *Store) bringUpToDate(c *contents) {
	if s.epoch != c.epoch {
		s.index.put(storeBucket, "epoch", binary.BigEndian.AppendUint32(nil, s.epoch))
	}
	for _, key := range c.invalid {
		s.index.put(fragmentsBucket, string(key), nil)
	}
	for _, k := range c.stale {
		s.index.put(fragmentsBucket, fragmentKey(k), nil)
	}
}
