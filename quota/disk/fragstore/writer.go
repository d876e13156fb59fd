package fragstore

import (
	"bytes"
	"crypto/sha1"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Writer receives one fragment into an incoming file. The fragment is not held before Commit. A Writer ends with
// Commit or Abort; the store can end it too (Close, DeleteSwarm), and then its methods report ErrAborted.
type Writer struct {
	store      *Store
	key        Key
	length     int64
	sum        [sha1.Size]byte
	charge     int64
	committing atomic.Bool

	known int64   // the part of charge that the file system knows of; guarded by store.mu
	value float64 // guarded by store.mu

	mu     sync.Mutex // guards the fields below; held during I/O on the file
	file   file
	hash   hash.Hash
	hashed int64 // the first bytes of the file that hash has seen
	ended  error // what every further call reports; nil while the Writer is in use
}

var errCommitted = errors.New("fragment is already complete")

// Charge returns what an incoming fragment of that length counts for in Used: its length in whole blocks.
func (s *Store) Charge(length int64) int64 {
	return roundUp(length, s.block)
}

// Create begins to receive a fragment of length bytes (1..MaxLength) that has the given SHA-1. Its whole length counts
// in Used from now on, and is set aside on disk where the file system can do that. Errors: ErrHeld, ErrBusy, and those
// of the disk.
func (s *Store) Create(k Key, length int64, sum [sha1.Size]byte) (*Writer, error) {
	if length < 1 || length > MaxLength {
		return nil, fmt.Errorf("receiving fragment %s: its length of %d bytes is not within 1..%d", k, length, MaxLength)
	}
	w := &Writer{store: s, key: k, length: length, sum: sum, charge: s.Charge(length), hash: sha1.New()}
	w.mu.Lock() // whoever finds it in s.writers waits until it has a file
	defer w.mu.Unlock()
	s.moves.RLock()
	defer s.moves.RUnlock()
	if err := s.enter(w); err != nil {
		return nil, fmt.Errorf("receiving fragment %s: %w", k, err)
	}
	if err := w.open(); err != nil {
		w.remove(err)
		return nil, fmt.Errorf("receiving fragment %s: %w", k, explainDisk(err))
	}
	return w, nil
}

// enter counts w among the incoming fragments. It counts as an operation that Close waits for until it leaves.
func (s *Store) enter(w *Writer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return ErrClosed
	}
	if e := s.table.find(w.key); e != nil {
		if e.is(deleting) {
			return ErrBusy
		}
		return ErrHeld
	}
	if s.writers[w.key] != nil {
		return ErrBusy
	}
	s.work.Add(1)
	s.writers[w.key] = w
	s.used += w.charge
	return nil
}

func (w *Writer) open() error {
	s := w.store
	f, err := s.root.OpenFile(incomingPath(w.key), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w.file = f
	preallocated, err := f.preallocate(w.length)
	if preallocated {
		s.noteKnown(w, w.charge)
	}
	return err
}

// Key returns which fragment this is.
func (w *Writer) Key() Key { return w.key }

// Committing reports whether Commit has been called: Abort will have to wait for it.
func (w *Writer) Committing() bool { return w.committing.Load() }

// Charge returns what it counts for in Used.
func (w *Writer) Charge() int64 { return w.charge }

// SetValue gives the fragment the value that it is to have when it is held.
func (w *Writer) SetValue(value float64) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.value = valid(value)
}

// Value returns what SetValue has set.
func (w *Writer) Value() float64 {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	return w.value
}

// WriteAt writes a block of the fragment. Blocks may come in any order and more than once; those that come in order
// are hashed on the way. An error leaves the Writer open: the caller may try again, or abort.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > w.length || int64(len(p)) > w.length-off {
		return 0, fmt.Errorf("writing fragment %s: block of %d bytes at %d is outside its %d bytes", w.key, len(p), off, w.length)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return 0, fmt.Errorf("writing fragment %s: %w", w.key, w.ended)
	}
	if off < w.hashed {
		// What was hashed is overwritten, maybe with something else: the file has to be read again at the end.
		w.hash.Reset()
		w.hashed = 0
	}
	n, err := w.file.WriteAt(p, off)
	w.store.blocks.Add(int64(n))
	w.store.noteKnown(w, int64(n))
	if err != nil {
		return n, fmt.Errorf("writing fragment %s: %w", w.key, explainDisk(err))
	}
	if off == w.hashed {
		w.hash.Write(p)
		w.hashed += int64(n)
	}
	return n, nil
}

// noteKnown notes that the file system knows of n more bytes of an incoming fragment.
func (s *Store) noteKnown(w *Writer, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.known = min(w.known+n, w.charge)
}

// Commit makes the fragment held, if it has the right hash (ErrHash). In every other case it is given up.
func (w *Writer) Commit() error {
	w.committing.Store(true)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return fmt.Errorf("storing fragment %s: %w", w.key, w.ended)
	}
	s := w.store
	var occupied int64
	var err error
	s.idle.run(func() { occupied, err = w.seal() })
	s.moves.RLock()
	defer s.moves.RUnlock()
	if err == nil {
		err = s.place(w.key)
	}
	if err != nil {
		w.remove(err)
		return fmt.Errorf("storing fragment %s: %w", w.key, explainDisk(err))
	}
	w.ended = errCommitted
	s.admit(w, occupied)
	return nil
}

// seal checks the hash, makes the file durable and closes it. It returns what the file occupies.
func (w *Writer) seal() (int64, error) {
	if err := hashRest(w.hash, w.file, w.hashed, w.length); err != nil {
		return 0, err
	}
	if !bytes.Equal(w.hash.Sum(nil), w.sum[:]) {
		return 0, ErrHash
	}
	if err := w.file.Sync(); err != nil {
		return 0, err
	}
	fi, err := w.file.Stat()
	if err != nil {
		return 0, err
	}
	if fi.Size() != w.length { // somebody else has cut it
		return 0, ErrHash
	}
	return occupied(fi), w.file.Close()
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// hashRest adds bytes from..length of a file to a hash. A file that ends early has the wrong hash.
func hashRest(h hash.Hash, file io.ReaderAt, from, length int64) error {
	if from >= length {
		return nil
	}
	buffer := buffers.Get().(*[]byte)
	defer buffers.Put(buffer)
	n, err := io.CopyBuffer(h, io.NewSectionReader(file, from, length-from), *buffer)
	if err == nil && n < length-from {
		return ErrHash
	}
	return err
}

// placeAttempts is how often a fragment's directory may go, with the swarm's last other fragment, just when the
// fragment is to be moved there. Something that is always in the way must not keep us for ever.
const placeAttempts = 100

// place moves a complete file to where it belongs.
func (s *Store) place(k Key) (err error) {
	for range placeAttempts {
		// That a directory exists, and that its parent does not, may both have changed by now: the move will tell.
		if err := s.root.MkdirAll(swarmDir(k.Hash), 0o700); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = s.root.Rename(incomingPath(k), fragmentPath(k))
		if err == nil {
			return nil
		}
		moving := err
		if _, err := s.root.Lstat(incomingPath(k)); errors.Is(err, fs.ErrNotExist) {
			// The incoming file has gone; or it was moved, and the system lost the answer: network file systems do
			// that.
			return also(moving, s.removeUnheld(k))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return err
}

// removeUnheld removes the file of a fragment that is not held, if there is one.
func (s *Store) removeUnheld(k Key) error {
	if err := s.root.Remove(fragmentPath(k)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// admit makes a fragment held whose file is in its place. s.moves is held.
func (s *Store) admit(w *Writer, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := entry{
		index: w.key.Index, length: uint32(w.length), bytes: asBytes(bytes),
		value: w.value, stored: stampOf(time.Now()), state: verified,
	}
	s.table.insert(w.key.Hash, e)
	s.used += int64(e.bytes)
	s.tell(w.key.Hash, &e)
	s.leaveLocked(w)
}

// leaveLocked ends what enter began.
func (s *Store) leaveLocked(w *Writer) {
	delete(s.writers, w.key)
	s.used -= w.charge
	s.work.Done()
}

// Abort gives the fragment up and frees its space, unless it has ended already; it reports whether it did. It may be
// called at any time, also while another goroutine writes or commits, for which it waits.
func (w *Writer) Abort() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended != nil {
		return false
	}
	w.store.moves.RLock()
	defer w.store.moves.RUnlock()
	w.remove(ErrAborted)
	return true
}

// remove removes the file, and ends the Writer. w.mu and s.moves are held.
func (w *Writer) remove(why error) {
	s := w.store
	w.ended = why
	if w.file != nil {
		w.file.Close() // it may be closed already, and what it says about its content does not matter any more
	}
	left := int64(0) // what stays behind
	if err := s.root.Remove(incomingPath(w.key)); err != nil && !errors.Is(err, fs.ErrNotExist) && w.file != nil {
		// It goes at the next start, or when the store is mended. Until then its space stays counted, because it stays
		// taken.
		s.log.Error("deleting an incoming fragment", "fragment", w.key.String(), "err", err)
		left = w.charge
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leaveLocked(w)
	s.left += left
	s.used += left
}

// Incoming returns the fragments that are being received, in no particular order.
func (s *Store) Incoming() []*Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.writers))
}

// InFlight returns what the incoming fragments count for in Used, and how much of that the file system does not know of
// yet, because it cannot set space aside. Both in bytes.
func (s *Store) InFlight() (charged, unwritten int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.writers {
		charged += w.charge
		unwritten += w.charge - w.known
	}
	return charged, unwritten
}
