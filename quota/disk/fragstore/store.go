package fragstore

import (
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/swarm"
)

// Options of a Store. The zero value is ready for use.
type Options struct {
	Log *slog.Logger // nil: slog.Default()
	// Unavailable, which may be nil, says why the disk is to be left alone, nil if it is not: it sleeps, or has gone.
	// While it says so, Open returns that error, and what is written behind waits longer, unless thousands of changes
	// have come together. What a caller waits for reaches the disk all the same: Create, Delete, PutMetadata, PutMeta,
	// DeleteMeta, Sync, Check, Mend, Close. It is called from any goroutine, and must not use the store.
	Unavailable func() error
}

// Store is a directory of fragments and its index. Its methods may be called by any number of goroutines.
type Store struct {
	dir         string
	root        directory // every access to dir goes through it
	home        directory // where the index is
	index       *index
	mark        string // the index's name in home, from which that of the clean mark is made
	log         *slog.Logger
	unavailable func() error
	epoch       uint32 // unclean stops so far
	block       int64  // what the file system allocates in, bytes
	idle        idle   // hashes, and syncs
	ahead       idle   // reads ahead
	warmth      warmth
	blocks      atomic.Int64 // bytes of blocks that were written

	work sync.WaitGroup // operations that Close waits for; Add is only called under mu while closed is false

	// moves is read-held while a file comes, moves or goes and what is known of it changes with that, or the index
	// hears of it; it is held by who compares the two.
	moves sync.RWMutex

	mu        sync.Mutex // guards the fields below; not held during file I/O
	closed    bool
	table     table
	used      int64 // by the fragments in table, by writers, and left
	left      int64 // by files that could not be deleted
	writers   map[Key]*Writer
	verifying map[Key]chan struct{} // closed when somebody's look at the fragment has ended
}

// begin says that an operation which does file I/O starts. The caller ends it with s.work.Done.
func (s *Store) begin() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	s.work.Add(1)
	return nil
}

// Has reports whether a fragment is held.
func (s *Store) Has(k Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.table.held(k) != nil
}

// Held returns the piece indexes of a swarm's fragments, ascending.
func (s *Store) Held(h swarm.InfoHash) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heldLocked(h)
}

func (s *Store) heldLocked(h swarm.InfoHash) []uint32 {
	sw := s.table.swarms[h]
	if sw == nil {
		return nil
	}
	indexes := make([]uint32, 0, len(sw.entries)-sw.deleting)
	for i := range sw.entries {
		if e := &sw.entries[i]; !e.is(deleting) {
			indexes = append(indexes, e.index)
		}
	}
	return indexes
}

// Count returns how many fragments of a swarm are held.
func (s *Store) Count(h swarm.InfoHash) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	sw := s.table.swarms[h]
	if sw == nil {
		return 0
	}
	return len(sw.entries) - sw.deleting
}

// Stats returns how many fragments are held, and of how many swarms.
func (s *Store) Stats() (fragments, swarms int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	swarms = len(s.table.swarms)
	if s.table.deleting > 0 {
		for _, sw := range s.table.swarms {
			if sw.deleting == len(sw.entries) {
				swarms--
			}
		}
	}
	return s.table.entries - s.table.deleting, swarms
}

// Used returns the bytes that the fragments and the incoming files count for: what is allocated on disk, incoming files
// with their full length in whole blocks from Create on. Directories and the index are not counted.
func (s *Store) Used() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// Fragments returns all fragments, swarm by swarm, in no particular order of swarms. The store may be used, and
// change, while they are gone through: each swarm is as it was when its turn came.
func (s *Store) Fragments() iter.Seq[Fragment] {
	return func(yield func(Fragment) bool) {
		s.mu.Lock()
		hashes := slices.Collect(maps.Keys(s.table.swarms))
		s.mu.Unlock()
		now := stampOf(time.Now())
		var entries []entry
		for _, h := range hashes {
			s.mu.Lock()
			entries = entries[:0]
			if sw := s.table.swarms[h]; sw != nil {
				entries = append(entries, sw.entries...)
			}
			s.mu.Unlock()
			for i := range entries {
				if entries[i].is(deleting) {
					continue
				}
				if !yield(entries[i].fragment(h, now)) {
					return
				}
			}
		}
	}
}

// SetValues gives each fragment of a swarm the value that the function returns for it (NaN counts as 0). The function
// may use the store. Values are not kept across restarts.
func (s *Store) SetValues(h swarm.InfoHash, value func(index uint32) float64) {
	indexes := s.Held(h)
	values := make([]float64, len(indexes))
	for i, index := range indexes {
		values[i] = valid(value(index))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, index := range indexes {
		if e := s.table.find(Key{h, index}); e != nil {
			e.value = values[i]
		}
	}
}

// valid replaces a value that cannot be ordered.
func valid(value float64) float64 {
	if math.IsNaN(value) {
		return 0
	}
	return value
}

// Sync writes what waits for the index. Without it, that happens within a second.
func (s *Store) Sync() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	return explainDisk(s.index.flush())
}

// Written returns the bytes that the store has written since it was opened: blocks of fragments, and pages of its
// index.
func (s *Store) Written() int64 {
	return s.blocks.Load() + s.index.written.Load()
}

// Lost returns nil if the directory of the fragments is still the one that was opened. If not, its disk was unplugged
// or unmounted, or something is mounted over it, and only opening the store again helps. It costs two system calls.
func (s *Store) Lost() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	there, err := os.Stat(s.dir)
	if err == nil {
		var here os.FileInfo
		if here, err = s.root.Stat("."); err == nil && os.SameFile(here, there) {
			return nil
		}
	}
	if err == nil {
		err = errors.New("another directory has taken its place")
	}
	return fmt.Errorf("the fragments directory %s has gone (%w): plug its disk in again, or mount it", s.dir, err)
}

// Close gives up the fragments that are being received, waits for running operations, writes the index and marks it
// as cleanly stopped. Readers that are open stay usable. Calling it again does nothing.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	writers := slices.Collect(maps.Values(s.writers))
	s.mu.Unlock()

	for _, w := range writers {
		w.Abort()
	}
	s.work.Wait()
	s.idle.close()
	s.ahead.close()
	// In batches: a change waits in memory, and takes more of it than a fragment does.
	err := error(nil)
	for err == nil && s.saveServed(indexBatch) == indexBatch {
		err = s.index.flush()
	}
	err = also(err, s.index.close(func(txid int) error { return putMark(s.home, s.mark, txid) }))
	err = also(also(err, s.root.Close()), s.home.Close())
	if err != nil {
		return fmt.Errorf("closing the fragment store (the fragments will be verified again before they are served): %w", explainDisk(err))
	}
	return nil
}
