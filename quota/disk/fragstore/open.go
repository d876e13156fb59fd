package fragstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"ebb/agent/swarm"
)

// Open opens the store in dir, with its index in the file index, and makes the two agree; it creates what is missing.
// Only one process can have a store open. After an unclean stop every fragment is hashed again before it is first
// served. Errors are one line and say what to do.
func Open(dir, index string, opts Options) (*Store, error) { return openOn(osDisk{}, dir, index, opts) }

func openOn(d disk, dir, index string, opts Options) (_ *Store, err error) {
	s := &Store{
		dir: dir, mark: filepath.Base(index), log: opts.Log, unavailable: opts.Unavailable,
		writers:   make(map[Key]*Writer),
		verifying: make(map[Key]chan struct{}),
	}
	s.idle.most, s.ahead.most = idleThreads, aheadThreads
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.unavailable == nil {
		s.unavailable = func() error { return nil }
	}
	defer func() {
		for _, opened := range []directory{s.home, s.root} {
			if err != nil && opened != nil {
				opened.Close() // the first error says it all
			}
		}
	}()
	if s.home, err = d.open(filepath.Dir(index)); err != nil {
		return nil, fmt.Errorf("opening the directory of the fragment index: %w", explainDisk(err))
	}
	if s.root, err = d.open(dir); err != nil {
		return nil, fmt.Errorf("opening the fragments directory: %w", explainDisk(err))
	}
	// Before anything is changed: the index's lock keeps two processes from cleaning up each other's incoming files.
	c, err := openIndex(d, s.home, index, s.log)
	if err != nil {
		return nil, err
	}
	if err := s.openTree(c, index); err != nil {
		if closeErr := c.db.Close(); closeErr != nil {
			s.log.Error("closing the fragment index", "err", closeErr)
		}
		return nil, err
	}
	s.index = newIndex(c, s.log, s.unavailable, s.settle)
	s.bringUpToDate(c)
	go s.index.loop()
	return s, nil
}

// openTree makes the table agree with the directory.
func (s *Store) openTree(c *contents, index string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("fragments directory %s: %w", s.dir, explainDisk(err))
		}
	}()
	// A store that was ever opened has this directory. Without it, but with fragments in the index, most likely a disk
	// is not mounted: were the entries dropped now, the files would be strays when it is there again.
	if _, err := s.root.Lstat(incomingDir); errors.Is(err, fs.ErrNotExist) && c.table.entries > 0 {
		return fmt.Errorf("it is empty, and %d fragments should be in it: mount its disk, or delete %s to begin without them", c.table.entries, index)
	}
	if err := s.root.MkdirAll(incomingDir, 0o700); err != nil {
		return err
	}
	s.block = blockSize(s.dir)
	s.table = c.table
	r, err := s.reconcile()
	if err = also(err, r.undeleted); err != nil {
		return err
	}
	c.stale = r.missing
	r.report(s.log)
	if err := s.probe(); err != nil && !isFull(err) { // the store must open on a full disk, to make room
		return err
	}
	// Last of all: nothing that goes wrong before costs the mark.
	clean, err := consumeMark(s.home, s.mark, c.txid)
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
	s.table.each(func(_ swarm.InfoHash, e *entry) { e.state &^= verified })
	s.log.Info("the last stop was not clean: every fragment is verified again before it is served", "fragments", s.table.entries)
}

// bringUpToDate lets the index hear what opening has found. It is written behind: a full disk does not keep the store
// from opening.
func (s *Store) bringUpToDate(c *contents) {
	if c.format != indexFormat { // it comes with, or before, the first entry of the new format
		s.index.put(storeBucket, "format", []byte{indexFormat})
	}
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
