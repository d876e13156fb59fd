package fragstore

import (
	"errors"
	"fmt"
	"os"

	"ebb/agent/swarm"

	"go.etcd.io/bbolt"
)

// differencesReported bounds how many differences a Check names.
const differencesReported = 10

// Check proves that memory, index and directory say the same, that each file has the length and occupies the blocks
// that are counted for it, and that Used is their sum. It returns every kind of difference that it finds, the first ten
// by name. The store may be in use: what would change a file waits meanwhile.
func (s *Store) Check() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	s.moves.Lock()
	defer s.moves.Unlock()
	if err := s.index.flush(); err != nil {
		return explainDisk(err)
	}
	var d differences
	if err := also(s.checkIndex(&d), s.checkTree(&d)); err != nil {
		return explainDisk(err)
	}
	s.mu.Lock()
	if sum := s.sum(); s.used != sum {
		d.add("%d bytes are counted as used, and %d are", s.used, sum)
	}
	s.mu.Unlock()
	return d.err()
}

// differences are what a Check has found.
type differences struct {
	found int
	named []error
}

func (d *differences) add(format string, args ...any) {
	if d.found++; d.found <= differencesReported {
		d.named = append(d.named, fmt.Errorf(format, args...))
	}
}

func (d *differences) err() error {
	if more := d.found - len(d.named); more > 0 {
		d.named = append(d.named, fmt.Errorf("and %d more", more))
	}
	return errors.Join(d.named...)
}

func (s *Store) checkIndex(d *differences) error {
	return s.compareIndex(func(key string, e *entry, what string) { d.add("%s", what) })
}

// compareIndex calls tell for every key at which index and memory differ, with the entry in memory, or nil if there is
// none, and with what the difference is. s.moves is held and nothing waits for the index. tell is called under s.mu.
func (s *Store) compareIndex(tell func(key string, e *entry, what string)) error {
	s.mu.Lock()
	s.table.each(func(_ swarm.InfoHash, e *entry) { e.state &^= indexed })
	s.mu.Unlock()
	err := guarded(func() error {
		return s.index.tx.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(fragmentsBucket.name()).ForEach(func(key, value []byte) error {
				k, kept, ok := parseFragment(key, value, s.epoch)
				s.mu.Lock()
				defer s.mu.Unlock()
				e := s.table.find(k)
				if !ok || e == nil {
					what := fmt.Sprintf("fragment %s is in the index and not held", k)
					if !ok {
						what = fmt.Sprintf("index entry %x = %x makes no sense", key, value)
					}
					if len(key) != fragmentKeyLen {
						e = nil
					}
					if e != nil {
						e.state |= indexed
					}
					tell(string(key), e, what)
					return nil
				}
				e.state |= indexed
				if what := e.differs(&kept); what != "" {
					tell(string(key), e, fmt.Sprintf("fragment %s %s", k, what))
				}
				return nil
			})
		})
	})
	if err != nil {
		return fmt.Errorf("reading the fragment index: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.each(func(h swarm.InfoHash, e *entry) {
		if k := (Key{h, e.index}); !e.is(indexed) {
			tell(fragmentKey(k), e, fmt.Sprintf("fragment %s is held and not in the index", k))
		}
	})
	return nil
}

// differs returns how an entry differs from what the index keeps of it, "" if it does not.
func (e *entry) differs(kept *entry) string {
	switch {
	case e.length != kept.length:
		return fmt.Sprintf("has %d bytes, and %d in the index", e.length, kept.length)
	case e.is(verified) != kept.is(verified):
		return fmt.Sprintf("is verified (%v), and in the index it is the other way", e.is(verified))
	case !e.is(unsaved) && (e.stored != kept.stored || e.lastServed != kept.lastServed || e.served != kept.served):
		return "was stored or served otherwise than the index says"
	}
	return ""
}

func (s *Store) checkTree(d *differences) error {
	s.mu.Lock()
	s.table.each(func(_ swarm.InfoHash, e *entry) { e.state &^= found })
	s.mu.Unlock()
	err := walk(s.root, visitor{
		fragment: func(k Key, _ directory, _ string, fi os.FileInfo) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			e := s.table.find(k)
			if e == nil {
				d.add("file of fragment %s is not held", k)
				return nil
			}
			e.state |= found
			if fi.Size() != int64(e.length) {
				d.add("file of fragment %s has %d bytes instead of %d", k, fi.Size(), e.length)
			} else if bytes := occupied(fi); asBytes(bytes) != e.bytes {
				d.add("file of fragment %s occupies %d bytes, and %d are counted", k, bytes, e.bytes)
			}
			return nil
		},
		incoming: func(_ directory, name string, _ os.FileInfo) error {
			if !s.receives(name) {
				d.add("incoming file %s belongs to nothing", name)
			}
			return nil
		},
		foreign: func(string) {},
		left:    func(string) error { return nil },
	})
	if err != nil {
		return fmt.Errorf("reading the fragments directory: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.table.each(func(h swarm.InfoHash, e *entry) {
		if !e.is(found) {
			d.add("fragment %s is held and has no file", Key{h, e.index})
		}
	})
	return nil
}
