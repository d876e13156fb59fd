package disk

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"ebb/quota/disk/fragstore"
)

// failingStore cannot delete some fragments, or none of them.
type failingStore struct {
	*fragstore.Store
	err      error                  // nil: it can
	keeps    map[fragstore.Key]bool // nil: all
	attempts int
}

func (s *failingStore) Delete(keys ...fragstore.Key) (int64, error) {
	s.attempts++
	if s.err == nil {
		return s.Store.Delete(keys...)
	}
	mayGo := slices.DeleteFunc(slices.Clone(keys), func(k fragstore.Key) bool { return s.keeps == nil || s.keeps[k] })
	freed, err := s.Store.Delete(mayGo...)
	if len(mayGo) < len(keys) {
		err = s.err
	}
	return freed, err
}

func TestFragmentThatCannotBeDeletedDoesNotKeepTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib})
		w.fillWith(t, 1, 2, 3, 4, 5)
		s := &failingStore{Store: w.store, err: errors.New("bad sector"), keeps: map[fragstore.Key]bool{key("a", 0): true, key("a", 1): true}}
		w.ledger.store = s
		setLimits(w.ledger, Limits{Storage: 4*64*kib + 8*kib}) // one too many, and it is a bad one
		w.ledger.Enforce()
		expectHeld(t, w, 0, 1, 2, 3, 4)
		<-time.After(checkEvery)
		w.ledger.Enforce() // so is the next
		<-time.After(2 * checkEvery)
		w.ledger.Enforce()
		expectHeld(t, w, 0, 1, 3, 4)
		s.err = nil
		setLimits(w.ledger, Limits{Storage: 3*64*kib + 8*kib})
		w.ledger.Enforce()
		expectHeld(t, w, 0, 1, 4)
		<-time.After(stubbornTime) // by then they may be deleted again
		setLimits(w.ledger, Limits{Storage: 2*64*kib + 8*kib})
		w.ledger.Enforce()
		expectHeld(t, w, 1, 4)
	})
}

// A disk on which nothing can be deleted, and which does not say so, is not tried at every check: each time is a line
// in the log.
func TestDiskThatDeletesNothingIsTriedLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const fragments, fit = 60, 60*64*kib - 10*kib // one too many; there is always another to try
		w := newWorld(t, Limits{Storage: 4 * mib})
		for i := range uint32(fragments) {
			must(t, w.admit(key("a", i), 64*kib, float64(i+1)))
		}
		s := &failingStore{Store: w.store, err: errors.New("input/output error")}
		w.ledger.store = s
		setLimits(w.ledger, Limits{Storage: fit, Writes: unlimited})
		for range 150 { // five minutes
			before := s.attempts
			w.ledger.Enforce()
			if s.attempts > before+1 {
				t.Fatalf("%d attempts in one check", s.attempts-before)
			}
			if err := w.admit(key("b", 0), 64*kib, 1e6); !errors.Is(err, ErrNoRoom) {
				t.Fatal(err)
			}
			<-time.After(checkEvery)
		}
		if s.attempts < 3 || s.attempts > 20 {
			t.Errorf("%d attempts in five minutes", s.attempts)
		}
		s.err = nil
		<-time.After(stubbornTime)
		w.ledger.Enforce()
		if used := w.store.Used(); used > fit {
			t.Errorf("the disk works again, and %d bytes are used", used)
		}
	})
}
