package fragstore

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync/atomic"

	"ebb/agent/swarm"

	"golang.org/x/sync/errgroup"
)

// Delete deletes fragments, and returns how many bytes less the store occupies. Keys that are not held are ignored.
// A fragment whose file cannot be deleted stays held, and is reported.
func (s *Store) Delete(keys ...Key) (freed int64, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.work.Done()
	return s.delete(keys)
}

// DeleteSwarm deletes all fragments of a swarm and gives up those that are being received.
func (s *Store) DeleteSwarm(h swarm.InfoHash) (freed int64, err error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	defer s.work.Done()
	s.mu.Lock()
	var writers []*Writer
	for k, w := range s.writers {
		if k.Hash == h {
			writers = append(writers, w)
		}
	}
	s.mu.Unlock()
	for _, w := range writers {
		w.Abort() // one that is being committed becomes a fragment first, and is then deleted as one
	}
	var keys []Key
	for _, index := range s.Held(h) {
		keys = append(keys, Key{h, index})
	}
	return s.delete(keys)
}

// delete hides the fragments first, so that nobody opens them any more; unlinks the files, without the lock; and then
// forgets them, swarm by swarm, so that Used falls as space comes back.
func (s *Store) delete(keys []Key) (freed int64, err error) {
	bySwarm := make(map[swarm.InfoHash][]uint32)
	s.mu.Lock()
	for _, k := range keys {
		if s.table.markDeleting(k) {
			bySwarm[k.Hash] = append(bySwarm[k.Hash], k.Index)
		}
	}
	s.mu.Unlock()
	var group errgroup.Group
	group.SetLimit(walkers)
	var total atomic.Int64
	for h, indexes := range bySwarm {
		group.Go(func() error {
			slices.Sort(indexes)
			s.moves.RLock()
			defer s.moves.RUnlock()
			gone, err := s.unlink(h, indexes)
			total.Add(s.forget(h, indexes, gone))
			if err != nil {
				return fmt.Errorf("deleting fragments of swarm %s: %w", h.String(), explainDisk(err))
			}
			return nil
		})
	}
	if err = group.Wait(); err != nil { // the first one: a failing disk has the same to say about each
		s.log.Error("fragments could not be deleted", "err", err)
	}
	return total.Load(), err
}

// unlink deletes files of one swarm and returns the indexes of those that are gone, in order.
func (s *Store) unlink(h swarm.InfoHash, indexes []uint32) (gone []uint32, err error) {
	dir, err := s.root.OpenRoot(swarmDir(h)) // once, instead of from the top for each file
	if errors.Is(err, fs.ErrNotExist) {
		return indexes, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	for _, index := range indexes {
		removeErr := dir.Remove(indexName(index))
		if removeErr == nil || errors.Is(removeErr, fs.ErrNotExist) {
			gone = append(gone, index)
		} else if err == nil {
			err = removeErr
		}
	}
	return gone, err
}

// forget drops the fragments that are gone, brings back those that are not, and removes the swarm's directories if they
// are empty now.
func (s *Store) forget(h swarm.InfoHash, indexes, gone []uint32) (freed int64) {
	s.mu.Lock()
	freed = s.table.remove(h, gone)
	s.used -= freed
	for _, index := range indexes {
		k := Key{h, index}
		if _, ok := slices.BinarySearch(gone, index); ok {
			s.index.put(fragmentsBucket, fragmentKey(k), nil)
		} else {
			s.table.unmarkDeleting(k)
		}
	}
	empty := s.table.swarms[h] == nil
	s.mu.Unlock()
	if empty {
		for _, dir := range []string{swarmDir(h), prefixDir(h)} {
			if err := s.removeEmpty(dir); err != nil {
				s.log.Error("removing an empty directory of fragments", "directory", dir, "err", err)
			}
		}
	}
	return freed
}
