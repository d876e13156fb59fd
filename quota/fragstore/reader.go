package fragstore

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// Reader reads one fragment. Deleting the fragment does not disturb it, but the disk gets the space back only when it is
// closed: keep it for a block or a few, not for ever.
type Reader struct {
	*io.SectionReader
	file *os.File
}

// File returns the fragment's own open file, for sendfile. Close closes it.
func (r *Reader) File() *os.File { return r.file }

// Close releases the file.
func (r *Reader) Close() error { return r.file.Close() }

// Open opens a fragment that has the given SHA-1. The first time after an unclean stop it is read and hashed, and if it
// turns out to be damaged, it is deleted (ErrDamaged). It reports ErrNotHeld if it is not held.
func (s *Store) Open(k Key, sum [sha1.Size]byte) (*Reader, error) {
	if err := s.begin(); err != nil {
		return nil, err
	}
	defer s.work.Done()
	length, trusted, err := s.claim(k)
	if err != nil {
		return nil, fmt.Errorf("opening fragment %s: %w", k, err)
	}
	if !trusted {
		defer s.release(k)
	}
	f, err := s.openFile(k, length, sum, trusted)
	if errors.Is(err, ErrDamaged) {
		err = s.dropDamaged(k, err)
	}
	if err != nil {
		return nil, fmt.Errorf("opening fragment %s: %w", k, err)
	}
	return &Reader{io.NewSectionReader(f, 0, length), f}, nil
}

// claim looks k up. If it is not verified in this epoch, the caller has to verify it and then to release it;
// everybody else who wants it waits for that.
func (s *Store) claim(k Key) (length int64, trusted bool, err error) {
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

func (s *Store) release(k Key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.verifying[k])
	delete(s.verifying, k)
}

// openFile opens k's file and checks what has to be checked. Only what proves damage is ErrDamaged: a disk that does not
// answer is not a reason to delete anything.
func (s *Store) openFile(k Key, length int64, sum [sha1.Size]byte, trusted bool) (_ *os.File, err error) {
	f, err := s.root.Open(fragmentPath(k))
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
	if fi.Size() != length {
		return nil, fmt.Errorf("%w: its file has %d bytes instead of %d", ErrDamaged, fi.Size(), length)
	}
	if trusted {
		return f, nil
	}
	h := sha1.New()
	if err := hashRest(h, f, 0, length); err != nil && !errors.Is(err, ErrHash) {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.table.held(k); e != nil {
		e.state |= verified
		s.index.put(fragmentsBucket, fragmentKey(k), fragmentValue(e.length, s.epoch))
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
