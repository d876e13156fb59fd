package fragstore

import (
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
)

// differencesReported bounds how many differences a Check names.
const differencesReported = 10

// Check proves that memory, index and directory say the same, and that Used is their sum. It returns every kind of
// difference that it finds, the first ten by name. Nothing may be received, deleted or opened meanwhile.
func (s *Store) Check() error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	if err := s.index.flush(); err != nil {
		return explainDisk(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock() // an exception to its rule: what is compared must hold still

	c := check{missingFile: make(map[Key]entry), missingIndex: make(map[Key]entry)}
	for h, sw := range s.table.swarms {
		for _, e := range sw.entries {
			c.missingFile[Key{h, e.index}], c.missingIndex[Key{h, e.index}] = e, e
			c.used += int64(e.bytes)
		}
	}
	for _, w := range s.writers {
		c.used += w.charge
	}
	if err := errors.Join(c.readIndex(s), c.readTree(s)); err != nil {
		return err
	}
	for k := range c.missingIndex {
		c.differ("fragment %s is held and not in the index", k)
	}
	for k := range c.missingFile {
		c.differ("fragment %s is held and has no file", k)
	}
	if s.used != c.used {
		c.differ("%d bytes are counted as used, and %d are", s.used, c.used)
	}
	if more := c.found - len(c.named); more > 0 {
		c.named = append(c.named, fmt.Errorf("and %d more", more))
	}
	return errors.Join(c.named...)
}

type check struct {
	missingFile, missingIndex map[Key]entry // what was not met yet
	used                      int64
	found                     int
	named                     []error
}

func (c *check) differ(format string, args ...any) {
	if c.found++; c.found <= differencesReported {
		c.named = append(c.named, fmt.Errorf(format, args...))
	}
}

func (c *check) readIndex(s *Store) error {
	return guarded(func() error {
		return s.index.db.View(func(tx *bbolt.Tx) error {
			return tx.Bucket(fragmentsBucket.name()).ForEach(func(key, value []byte) error {
				k, length, epoch, ok := parseFragment(key, value)
				e, held := c.missingIndex[k]
				switch {
				case !ok:
					c.differ("index entry %x = %x makes no sense", key, value)
				case !held:
					c.differ("fragment %s is in the index and not held", k)
				case e.length != length:
					c.differ("fragment %s has %d bytes, and %d in the index", k, e.length, length)
				case e.is(verified) != (epoch == s.epoch):
					c.differ("fragment %s was last verified in epoch %d says the index; now it is %d", k, epoch, s.epoch)
				}
				delete(c.missingIndex, k)
				return nil
			})
		})
	})
}

func (c *check) readTree(s *Store) error {
	return walk(s.root, visitor{
		fragment: func(k Key, _ *os.Root, _ string, fi os.FileInfo) error {
			e, held := c.missingFile[k]
			switch {
			case !held:
				c.differ("file of fragment %s is not held", k)
			case fi.Size() != int64(e.length):
				c.differ("file of fragment %s has %d bytes instead of %d", k, fi.Size(), e.length)
			}
			delete(c.missingFile, k)
			return nil
		},
		incoming: func(_ *os.Root, name string, _ os.FileInfo) error {
			for k := range s.writers {
				if incomingPath(k) == incomingDir+"/"+name {
					return nil
				}
			}
			c.differ("incoming file %s belongs to nothing", name)
			return nil
		},
		foreign: func(string) {},
		left:    func(string) error { return nil },
	})
}
