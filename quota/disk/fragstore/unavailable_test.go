package fragstore

import (
	"errors"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

var errAsleep = errors.New("the disk sleeps")

// sleeper opens a store on a disk that can be sent to sleep.
func sleeper(t *testing.T) (s *Store, asleep *atomic.Bool) {
	asleep = new(atomic.Bool)
	state := t.TempDir()
	s, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet, Unavailable: func() error {
		if asleep.Load() {
			return errAsleep
		}
		return nil
	}})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	return s, asleep
}

func TestSleepingDiskIsNotWokenToRead(t *testing.T) {
	s, asleep := sleeper(t)
	must(t, put(s, key("a", 0), 100))
	asleep.Store(true)
	if _, err := read(s, key("a", 0), 100); !errors.Is(err, errAsleep) {
		t.Errorf("Open while the disk sleeps: %v", err)
	}
	if _, err := read(s, key("a", 1), 100); !errors.Is(err, ErrNotHeld) {
		t.Errorf("Open of what is not held: %v", err)
	}
	asleep.Store(false)
	if _, err := read(s, key("a", 0), 100); err != nil {
		t.Error(err)
	}
}

func TestIndexWaitsForTheDiskToWake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asleep := sleeper(t)
		txid := func() int {
			synctest.Wait()
			id, err := s.index.txid()
			must(t, err)
			return id
		}
		must(t, put(s, key("a", 0), 100))
		must(t, s.Sync())
		before := txid()
		asleep.Store(true)
		must(t, s.PutSwarm(hashOf("a"), []byte("record")))
		s.Served(key("a", 0), 1)
		<-time.After(10 * time.Hour)
		if now := txid(); now != before {
			t.Errorf("while the disk sleeps: transaction %d, was %d", now, before)
		}
		must(t, s.PutMeta("b", "k", []byte("now"))) // somebody waits for it
		if now := txid(); now != before+1 {
			t.Errorf("what cannot wait: transaction %d, was %d", now, before)
		}
		must(t, s.PutSwarm(hashOf("b"), []byte("record")))
		<-time.After(time.Hour)
		if now := txid(); now != before+1 {
			t.Errorf("while it sleeps again: transaction %d, was %d", now, before)
		}
		asleep.Store(false)
		<-time.After(indexDelay + time.Millisecond)
		if now := txid(); now != before+2 {
			t.Errorf("when it wakes: transaction %d, was %d", now, before)
		}
	})
}

func TestTooManyChangesWakeTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, asleep := sleeper(t)
		asleep.Store(true)
		for i := range indexBatch {
			must(t, s.PutSwarm(plantedHash(i), []byte("record")))
		}
		<-time.After(2 * indexDelay)
		synctest.Wait()
		s.index.mu.Lock()
		defer s.index.mu.Unlock()
		if n := len(s.index.waiting); n != 0 {
			t.Errorf("%d changes still wait", n)
		}
	})
}
