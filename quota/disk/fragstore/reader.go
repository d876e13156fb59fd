package fragstore

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
)

// Reader reads one fragment. Deleting the fragment does not disturb it, but the disk gets the space back only when it
// is closed: keep it for a block or a few, not for ever.
type Reader struct {
	*io.SectionReader
	file  file
	store *Store
	key   Key
}

// File returns the fragment's own open file, for sendfile. Close closes it.
func (r *Reader) File() *os.File { return r.file.plain() }

// Close releases the file.
func (r *Reader) Close() error { return r.file.Close() }

// Prefetch brings a block into the page cache at idle I/O priority, where the system offers that: reading it then waits
// for that I/O, and does not compete with others'. It returns when the I/O is under way, or if there is none to be
// done.
func (r *Reader) Prefetch(off, n int64) {
	if n = min(n, r.Size()-off); off < 0 || n <= 0 || cached(r.File(), off, n) {
		return
	}
	r.store.ahead.run(func() { readAhead(r.File(), off, n) })
}

// sendBehind is how much of what was sent may still wait in sockets, in bytes. Sendfile leaves it in the page cache
// until the peer has it, whatever the kernel is told.
const sendBehind = 256 << 10

// Served notes that a block was sent. If the fragment is cold, so that nobody else is likely to want it soon, its pages
// leave the page cache: others have more use for the memory.
func (r *Reader) Served(off, n int64) {
	if n = min(n, r.Size()-off); off < 0 || n <= 0 || !r.store.warmth.cold(r.key, n, r.Size()) {
		return
	}
	page := int64(os.Getpagesize())
	from, to := roundUp(max(off-sendBehind, 0), page), off+n
	if to < r.Size() { // pages of which only a part was sent stay; the fragment's last one has no other part
		to = to / page * page
	}
	if from < to {
		uncache(r.File(), from, to-from)
	}
}

// Open opens a fragment that has the given SHA-1. The first time after an unclean stop it is read and hashed, and if it
// turns out to be damaged, it is deleted (ErrDamaged). The error is ErrNotHeld if it is not held,
// and Options.Unavailable's if it is and the disk is to be left alone.
func (s *Store) Open(k Key, sum [sha1.Size]byte) (*Reader, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.work.Done()
	if why := s.unavailable(); why != nil && s.Has(k) {
		return nil, fmt.Errorf("opening fragment %s: %w", k, why)
	}
	length, trusted, err := s.beginVerify(k)
	if err != nil {
		return nil, fmt.Errorf("opening fragment %s: %w", k, err)
	}
	if !trusted {
		defer s.endVerify(k)
	}
	f, err := s.openFile(k, length, sum, trusted)
	if errors.Is(err, ErrDamaged) {
		err = s.dropDamaged(k, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening fragment %s: %w", k, err)
	}
	return &Reader{io.NewSectionReader(f, 0, length), f, s, k}, nil
}

// beginVerify looks k up. If it is not verified in this epoch, the caller has to verify it and then to call endVerify;
// everybody else who wants it waits for that.
func (s *Store) beginVerify(k Key) (length int64, trusted bool, err error) {
	for {
		s.mu.Lock()
		e := s.table.held(k)
		if e == nil {
			s.mu.Unlock()
			return 0, false, ErrNotHeld
		}
		length, trusted = int64(e.length), e.is(verified)
		if trusted {
			s.mu.Unlock()
			return length, true, nil
		}
		other := s.verifying[k]
		if other == nil {
			s.verifying[k] = make(chan struct{})
			s.mu.Unlock()
			return length, false, nil
		}
		s.mu.Unlock()
		<-other
	}
}

func (s *Store) endVerify(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.verifying[k])
	delete(s.verifying, k)
}

// openFile opens k's file and checks what has to be checked. Only what proves damage is ErrDamaged: a disk that does
// not answer is not a reason to delete anything.
func (s *Store) openFile(k Key, length int64, sum [sha1.Size]byte, trusted bool) (_ file, err error) {
	// Should somebody have put a pipe there, it must not be waited for.
	f, err := s.root.OpenFile(fragmentPath(k), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: its file is missing", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: something else has taken the place of its file", ErrDamaged)
	}
	if fi.Size() != length {
		return nil, fmt.Errorf("%w: its file has %d bytes instead of %d", ErrDamaged, fi.Size(), length)
	}
	if trusted {
		return f, nil
	}
	h := sha1.New()
	s.idle.run(func() { err = hashRest(h, f, 0, length) })
	if err != nil && !errors.Is(err, ErrHash) {
		return nil, err
	}
	if [sha1.Size]byte(h.Sum(nil)) != sum {
		return nil, fmt.Errorf("%w: its hash is wrong", ErrDamaged)
	}
	s.trust(k)
	return f, nil
}

// trust notes that k was verified in this epoch.
func (s *Store) trust(k Key) {
	s.moves.RLock()
	defer s.moves.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.table.held(k); e != nil {
		e.state |= verified
		s.tell(k.Hash, e)
	}
}

// dropDamaged deletes a damaged fragment, and returns what Open reports.
func (s *Store) dropDamaged(k Key, damage error) error {
	s.mu.Lock()
	held := s.table.held(k) != nil
	s.mu.Unlock()
	if !held {
		return ErrNotHeld // it was deleted on purpose in the meantime
	}
	s.log.Warn("a fragment was damaged on disk, and is deleted", "fragment", k.String(), "err", damage)
	if _, err := s.delete([]Key{k}); err != nil {
		return also(damage, err)
	}
	return damage
}
