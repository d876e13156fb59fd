package fragstore

import (
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/anacrolix/torrent/metainfo"
)

// Options of a Store. The zero value is ready for use.
type Options struct {
	Log *slog.Logger // nil: slog.Default()
}

// Store is a directory of fragments and its index. Its methods may be called by any number of goroutines.
type Store struct {
	dir       string
	indexPath string
	root      *os.Root // every access to the directory goes through it
	index     *index
	log       *slog.Logger
	epoch     uint32 // unclean stops so far
	block     int64  // what the file system allocates in, bytes

	preallocate func(*os.File, int64) (bool, error)

	work sync.WaitGroup // operations that Close waits for; Add is only called under mu while closed is false

	mu        sync.Mutex // guards the fields below; not held during file I/O
	closed    bool
	table     table
	used      int64
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
func (s *Store) Held(h metainfo.Hash) []uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heldLocked(h)
}

func (s *Store) heldLocked(h metainfo.Hash) []uint32 {
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
func (s *Store) Count(h metainfo.Hash) int {
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
				if !yield(entries[i].fragment(h)) {
					return
				}
			}
		}
	}
}

// SetValues gives each fragment of a swarm the value that the function returns for it (NaN counts as 0). The function
// may use the store. Values are not kept across restarts.
func (s *Store) SetValues(h metainfo.Hash, value func(index uint32) float64) {
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

// Served notes that n bytes of a fragment were sent to a peer. It costs no I/O.
func (s *Store) Served(k Key, n int64) {
	now := time.Now().UnixNano()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.table.held(k); e != nil {
		e.served += n
		e.lastServed = now
	}
}

// Sync writes what waits for the index. Without it, that happens within a second.
func (s *Store) Sync() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	return explainDisk(s.index.flush())
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
	err := s.index.close(func(txid int) error { return putMark(s.indexPath, txid) })
	if rootErr := s.root.Close(); err == nil {
		err = rootErr
	}
	if err != nil {
		return fmt.Errorf("closing the fragment store (the fragments will be verified again before they are served): %w", explainDisk(err))
	}
	return nil
}
