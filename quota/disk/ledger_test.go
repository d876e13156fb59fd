package disk

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/quota/disk/fragstore"
)

func TestAdmitStopsAtTheAllotment(t *testing.T) {
	w := newWorld(t, Limits{Storage: 200 * kib})
	w.fillWith(t, 1, 1, 1)
	if err := w.admit(key("a", 3), 64*kib, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("the fourth of 64 KiB in 200 KiB: %v", err)
	}
	must(t, w.admit(key("a", 3), 8*kib, 1)) // there is just that much
	expectHeld(t, w, 0, 1, 2, 3)
	u := w.ledger.Usage()
	if u.Allotment != 200*kib || u.Limit != 200*kib || u.Used != 200*kib || u.InFlight != 0 || u.DiskTotal != gib || u.DiskFree != gib-200*kib {
		t.Errorf("Usage = %+v", u)
	}
}

func TestNoMoreFragmentsAreHeldThanTheIndexCanHold(t *testing.T) {
	w := newWorld(t, Limits{Storage: 64 * mib, Writes: -1})
	w.fillWith(t, 1, 2, 3)
	w.ledger.most = 3
	if err := w.ledger.Room(key("a", 9), 64*kib, 1, 0); !errors.Is(err, ErrNoRoom) {
		t.Errorf("room for one that is worth no more: %v", err)
	}
	if err := w.admit(key("a", 9), 64*kib, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("one that is worth no more: %v", err)
	}
	if err := w.admit(key("a", 9), 64*kib, 10); err != nil {
		t.Errorf("one that is worth more: %v", err)
	}
	expectHeld(t, w, 1, 2, 9)
}

func TestWithoutAnAllotmentNothingIsAdmitted(t *testing.T) {
	for _, storage := range []int64{0, -1, math.MinInt64} {
		w := newWorld(t, Limits{Storage: storage})
		if err := w.admit(key("a", 0), 1, 1e9); !errors.Is(err, ErrNoRoom) {
			t.Errorf("with an allotment of %d: %v", storage, err)
		}
	}
}

func TestRoomIsKeptUntilCommitOrAbort(t *testing.T) {
	w := newWorld(t, Limits{Storage: 128 * kib})
	first, err := w.ledger.Admit(key("a", 0), 64*kib, [20]byte{}, 1)
	must(t, err)
	second, err := w.ledger.Admit(key("a", 1), 64*kib, [20]byte{}, 1)
	must(t, err)
	if u := w.ledger.Usage(); u.InFlight != 128*kib || u.Used != 128*kib {
		t.Errorf("Usage = %+v", u)
	}
	if _, err := w.ledger.Admit(key("a", 2), 1, [20]byte{}, 100); !errors.Is(err, ErrNoRoom) {
		t.Errorf("a third: %v", err)
	}
	first.Abort()
	must(t, w.admit(key("a", 2), 64*kib, 1))
	second.Abort()
}

func TestAdmitReplacesOnlyWhatIsClearlyWorthLess(t *testing.T) {
	w := newWorld(t, Limits{Storage: 256 * kib})
	w.fillWith(t, 4, 2, 8, 2.5)
	for _, value := range []float64{2, 2.9, 3, math.NaN(), math.Inf(-1)} {
		if err := w.admit(key("a", 9), 64*kib, value); !errors.Is(err, ErrNoRoom) {
			t.Errorf("value %v: %v", value, err)
		}
	}
	expectHeld(t, w, 0, 1, 2, 3)
	must(t, w.admit(key("a", 9), 64*kib, 3.1))
	expectHeld(t, w, 0, 2, 3, 9)
	if got := w.heard(); !slices.Equal(got, []fragstore.Key{key("a", 1)}) {
		t.Errorf("reclaimed: %v", got)
	}
}

func TestAdmitReclaimsNothingInVain(t *testing.T) {
	w := newWorld(t, Limits{Storage: 256 * kib})
	w.fillWith(t, 1, 9, 9, 9)
	if err := w.admit(key("a", 9), 128*kib, 10); !errors.Is(err, ErrNoRoom) {
		t.Errorf("room for two, where only one is worth clearly less: %v", err)
	}
	if err := w.admit(key("a", 3), 64*kib, 100); !errors.Is(err, fragstore.ErrHeld) {
		t.Errorf("what is held already: %v", err)
	}
	if err := w.admit(key("a", 9), 1*mib, 100); !errors.Is(err, ErrNoRoom) {
		t.Errorf("more than the allotment: %v", err)
	}
	expectHeld(t, w, 0, 1, 2, 3)
}

func TestRoomSaysWhatAdmitWouldAndCostsNothing(t *testing.T) {
	w := newWorld(t, Limits{Storage: 256 * kib, Writes: -1})
	w.fillWith(t, 2, 2, 9)
	room := func(value float64, expected int64) error { return w.ledger.Room(key("a", 9), 64*kib, value, expected) }
	must(t, room(0, 0))
	for _, c := range []struct {
		what     string
		value    float64
		expected int64
		want     error
	}{
		{"nothing beside what is expected", 2, 64 * kib, ErrNoRoom},
		{"in place of what is worth less", 10, 64 * kib, nil},
		{"in place of all that is worth less", 10, 128 * kib, nil},
		{"and no more than that", 10, 192 * kib, ErrNoRoom},
	} {
		if err := room(c.value, c.expected); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	if err := w.ledger.Room(key("a", 0), 64*kib, 9, 0); !errors.Is(err, fragstore.ErrHeld) {
		t.Errorf("what is held already: %v", err)
	}
	expectHeld(t, w, 0, 1, 2)
	must(t, w.admit(key("a", 9), 64*kib, 0)) // the room is still there
}

func TestAdmittedValueIsTheFragments(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 2.5)
	for f := range w.store.Fragments() {
		if f.Value != 2.5 {
			t.Errorf("value %v", f.Value)
		}
	}
}

func TestConcurrentAdmitsNeverExceedTheLimit(t *testing.T) {
	const limit = 300 * kib
	w := newWorld(t, Limits{Storage: limit})
	stop := make(chan struct{})
	var watcher, workers sync.WaitGroup
	watcher.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if used := w.store.Used(); used > limit {
				t.Errorf("Used = %d", used)
			}
			w.ledger.Usage()
		}
	})
	w.admitFromAllSides(t, &workers)
	workers.Wait()
	close(stop)
	watcher.Wait()
	must(t, w.store.Check())
	if used := w.store.Used(); used < limit/2 {
		t.Errorf("Used = %d after all: this test shows little", used)
	}
	if len(w.heard()) == 0 {
		t.Error("nothing was replaced: this test shows little")
	}
	w.ledger.mu.Lock()
	defer w.ledger.mu.Unlock()
	if w.ledger.pending != 0 {
		t.Errorf("%d bytes are pending with nobody admitting", w.ledger.pending)
	}
}

func TestLoweredAllotmentTakesLowestValueFirst(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 5, 1, 4, 2, 3)
	setLimits(w.ledger, Limits{Storage: 200 * kib})
	if freed := w.ledger.Enforce(); freed != 128*kib {
		t.Errorf("freed %d", freed)
	}
	expectHeld(t, w, 0, 2, 4)
	if got := w.heard(); !slices.Equal(got, []fragstore.Key{key("a", 1), key("a", 3)}) {
		t.Errorf("reclaimed: %v", got)
	}
	if freed := w.ledger.Enforce(); freed != 0 {
		t.Errorf("within the limit, %d were freed", freed)
	}
	setLimits(w.ledger, Limits{})
	w.ledger.Enforce()
	expectHeld(t, w)
}

func TestIncomingFragmentsGoFirst(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 1)
	low, err := w.ledger.Admit(key("b", 0), 64*kib, [20]byte{}, 50)
	must(t, err)
	high, err := w.ledger.Admit(key("b", 1), 64*kib, [20]byte{}, 60)
	must(t, err)
	setLimits(w.ledger, Limits{Storage: 200 * kib})
	if freed := w.ledger.Enforce(); freed != 64*kib {
		t.Errorf("freed %d", freed)
	}
	if _, err := low.WriteAt([]byte{1}, 0); !errors.Is(err, fragstore.ErrAborted) {
		t.Errorf("the incoming fragment of lower value: %v", err)
	}
	if _, err := high.WriteAt([]byte{1}, 0); err != nil {
		t.Errorf("the incoming fragment of higher value: %v", err)
	}
	expectHeld(t, w, 0, 1)
	setLimits(w.ledger, Limits{Storage: 64 * kib})
	w.ledger.Enforce()
	expectHeld(t, w) // 64 KiB would be at the limit, and a breach is brought a little below it
	if _, err := high.WriteAt([]byte{1}, 0); !errors.Is(err, fragstore.ErrAborted) {
		t.Errorf("the other incoming fragment: %v", err)
	}
}

func TestSomebodyFillingTheDiskIsNoticedWithinTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib, KeepFree: 100 * mib})
		w.fillWith(t, 3, 1, 2, 4)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.ledger.Run(ctx) })
		synctest.Wait()
		expectHeld(t, w, 0, 1, 2, 3)

		w.fill(gib - 100*mib - 200*kib) // leaves the background 200 KiB of its 256
		<-time.After(2*time.Second + time.Millisecond)
		synctest.Wait()
		expectHeld(t, w, 0, 2, 3)
		if u := w.ledger.Usage(); u.Used != 192*kib || u.Limit != 192*kib { // it is not to fill the rest again at once
			t.Errorf("Usage = %+v", u)
		}
		w.mu.Lock()
		if !slices.Equal(w.whys, []string{"the disk is filling up"}) {
			t.Errorf("why: %q", w.whys)
		}
		w.mu.Unlock()
		cancel()
		running.Wait()
	})
}

func TestNewLimitsAndPromisesAreEnforcedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib})
		w.fillWith(t, 3, 1, 2, 4)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.ledger.Run(ctx) })
		synctest.Wait()
		began := time.Now()

		setLimits(w.ledger, Limits{Storage: 200 * kib})
		synctest.Wait()
		expectHeld(t, w, 0, 2, 3)

		must(t, w.ledger.Reserve(hashOf("download"), remains(gib-150*kib)))
		expectHeld(t, w, 0, 3)
		if time.Since(began) != 0 {
			t.Errorf("it took %v", time.Since(began))
		}
		cancel()
		running.Wait()
	})
}

// hookedStore calls a function after each deletion.
type hookedStore struct {
	*fragstore.Store
	deleted func()
}

func (s hookedStore) Delete(keys ...fragstore.Key) (int64, error) {
	defer s.deleted()
	return s.Store.Delete(keys...)
}

func TestRoomThatIsBeingMadeIsNotTakenByOthers(t *testing.T) {
	w := newWorld(t, Limits{Storage: 128 * kib})
	w.fillWith(t, 1, 1)
	other := make(chan error, 1)
	w.ledger.store = hookedStore{w.store, func() {
		began := make(chan struct{})
		go func() {
			close(began)
			other <- w.admit(key("a", 6), 1, 0)
		}()
		<-began
	}}
	must(t, w.admit(key("a", 5), 64*kib, 2))
	if err := <-other; !errors.Is(err, ErrNoRoom) {
		t.Errorf("somebody else, who came meanwhile: %v", err)
	}
}
