package disk

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ebb/platform"
	"ebb/quota"
	"ebb/quota/disk/fragstore"
)

func TestReserveTakesWhatIsFreeBeforeAnyFragment(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib, KeepFree: mib})
	w.fillWith(t, 1, 1, 1, 1)
	must(t, w.ledger.Reserve(hashOf("x"), remains(gib-2*mib-256*kib)))
	expectHeld(t, w, 0, 1, 2, 3)
	if u := w.ledger.Usage(); u.Promised != gib-2*mib-256*kib || u.Limit != mib {
		t.Errorf("Usage = %+v", u)
	}
}

func TestReserveReclaimsLowestValueFirstAndNoMoreThanNeeded(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 3, 1, 2, 4)
	must(t, w.ledger.Reserve(hashOf("x"), remains(gib-130*kib)))
	expectHeld(t, w, 0, 3)
	if u := w.ledger.Usage(); u.Limit != 130*kib || u.Used != 128*kib || u.DiskFree < u.Promised {
		t.Errorf("Usage = %+v", u)
	}
	// In place of the first promise, not on top of it.
	must(t, w.ledger.Reserve(hashOf("x"), remains(gib-130*kib)))
	expectHeld(t, w, 0, 3)
	// On top of it.
	must(t, w.ledger.Reserve(hashOf("y"), remains(64*kib)))
	expectHeld(t, w, 3)
	w.ledger.Withdraw(hashOf("y"))
	must(t, w.ledger.Reserve(hashOf("x"), remains(gib-mib)))
	if u := w.ledger.Usage(); u.Promised != gib-mib || u.Limit != mib {
		t.Errorf("Usage = %+v", u)
	}
	must(t, w.admit(key("a", 7), 256*kib, 1))
}

func TestReserveIsRefusedOnlyWhenAllFragmentsWouldNotSuffice(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib, KeepFree: 500 * mib})
	w.fillWith(t, 1, 1)
	expectNoSpace(t, w.ledger.Reserve(hashOf("x"), remains(gib+1)), 1)
	expectHeld(t, w, 0, 1) // they could not have helped
	if u := w.ledger.Usage(); u.Promised != 0 {
		t.Errorf("what was refused is promised: %+v", u)
	}
	must(t, w.ledger.Reserve(hashOf("x"), remains(gib))) // all of the disk: keep_free is not for the foreground
	expectHeld(t, w)
	expectNoSpace(t, w.ledger.Reserve(hashOf("y"), remains(5*kib)), 5*kib)
	expectNoSpace(t, w.ledger.Reserve(hashOf("x"), remains(gib+7)), 7)
	if u := w.ledger.Usage(); u.Promised != gib || u.Limit != 0 {
		t.Errorf("a refused change has changed the promise: %+v", u)
	}
	for _, name := range []string{"z", "zz"} {
		var noSpace *NoSpaceError
		if err := w.ledger.Reserve(hashOf(name), remains(math.MaxInt64)); !errors.As(err, &noSpace) || noSpace.Missing <= 0 {
			t.Errorf("more than can be: %v", err)
		}
	}
	must(t, w.ledger.Reserve(hashOf("none"), remains(0)))
	must(t, w.ledger.Reserve(hashOf("none"), remains(-5)))
}

func TestRefusalSaysInHumanUnitsWhatIsMissing(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1)
	const want = "not enough space on the disk for this download: 1.5 GiB are missing, even with every fragment gone; free some, or choose another foreground.directory"
	if err := w.ledger.Reserve(hashOf("x"), remains(gib+3*gib/2-50*mib)); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for n, want := range map[int64]string{
		0: "0 KiB", 1: "0.1 KiB", 102: "0.1 KiB", 103: "0.2 KiB", 1023: "1 KiB", kib: "1 KiB", kib + 1: "1.1 KiB",
		mib - 1: "1 MiB", mib - 103: "1023.9 KiB", mib - 102: "1 MiB", mib: "1 MiB", gib - 1: "1 GiB", gib + 1: "1.1 GiB", 14 * gib / 10: "1.4 GiB",
		1 << 40: "1 TiB", 1 << 50: "1 PiB", math.MaxInt64: "8192 PiB",
	} {
		if got := quota.Bytes(n); got != want {
			t.Errorf("%d bytes: %s, want %s", n, got, want)
		}
	}
}

// Most of a second 192 fragments fitted; what has landed since the downloads were last asked must not cost one of them.
func TestBytesThatHaveLandedDoNotCountTwice(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2, 3, 4)
	var x download
	x.Store(gib - 256*kib)
	must(t, w.ledger.Reserve(hashOf("x"), x.remaining))
	expectHeld(t, w, 0, 1, 2, 3)
	land := func(n int64) {
		w.set(func() { w.others += n })
		x.Add(-n)
	}
	land(512 * mib)
	if freed := w.ledger.Enforce(); freed != 0 {
		t.Errorf("a check has freed %d", freed)
	}
	land(256 * mib)
	must(t, w.ledger.Reserve(hashOf("y"), remains(64*kib)))
	expectHeld(t, w, 1, 2, 3)
	land(100 * mib)
	must(t, w.admit(key("a", 9), 64*kib, 20)) // in place of one
	expectHeld(t, w, 2, 3, 9)
	if u := w.ledger.Usage(); u.Promised != gib-256*kib-868*mib+64*kib {
		t.Errorf("Usage = %+v", u)
	}
}

// Whoever has to wait for others' deletions finds that the downloads have gone on meanwhile.
func TestDownloadsAreAskedAgainAfterAWait(t *testing.T) {
	for _, act := range []struct {
		name string
		do   func(w *world) error
		held []uint32
	}{
		{"check", func(w *world) error { w.ledger.Enforce(); return nil }, []uint32{0, 1, 2, 3}},
		{"reserve", func(w *world) error { return w.ledger.Reserve(hashOf("y"), remains(0)) }, []uint32{0, 1, 2, 3}},
		{"reserve more", func(w *world) error { return w.ledger.Reserve(hashOf("y"), remains(64*kib)) }, []uint32{1, 2, 3}},
	} {
		t.Run(act.name, func(t *testing.T) {
			w := newWorld(t, Limits{Storage: mib})
			w.fillWith(t, 1, 2, 3, 4)
			var x download
			x.Store(gib - 256*kib)
			asked := make(chan struct{}, 100)
			must(t, w.ledger.Reserve(hashOf("x"), func() int64 {
				left := x.remaining()
				asked <- struct{}{}
				return left
			}))
			for len(asked) > 0 {
				<-asked
			}
			w.ledger.making.RLock()
			done := make(chan error, 1)
			go func() { done <- act.do(w) }()
			<-asked                          // it says the old number, and 300 MiB land while it has to wait
			for w.ledger.making.TryRLock() { // until somebody waits for the other lock
				w.ledger.making.RUnlock()
				runtime.Gosched()
			}
			w.set(func() { w.others += 300 * mib })
			x.Add(-300 * mib)
			w.ledger.making.RUnlock()
			must(t, <-done)
			expectHeld(t, w, act.held...)
		})
	}
}

func TestGrowingDownloadIsGivenItsRoomAtTheNextCheck(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 5, 1, 4, 2, 3)
	var x download
	x.Store(mib)
	must(t, w.ledger.Reserve(hashOf("x"), x.remaining))
	x.Store(gib - 200*kib) // far more than was promised
	w.ledger.Enforce()
	expectHeld(t, w, 0, 2, 4)
	if got := w.whys; !slices.Equal(got, []string{"foreground downloads need the space"}) {
		t.Errorf("why: %q", got)
	}
	x.Store(2 * gib) // more than there is: it may finish as far as it gets, nothing is refused
	w.ledger.Enforce()
	expectHeld(t, w)
	x.Store(0)
	w.ledger.Enforce()
	must(t, w.admit(key("a", 5), 64*kib, 1))
}

func TestReleaseWinsOverEveryQuestion(t *testing.T) {
	t.Run("of a check", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Limits{Storage: mib})
			w.fillWith(t, 1, 2)
			answer := make(chan int64)
			first := true
			must(t, w.ledger.Reserve(hashOf("x"), func() int64 {
				if first {
					first = false
					return 0
				}
				return <-answer
			}))
			var check sync.WaitGroup
			check.Go(func() { w.ledger.Enforce() })
			synctest.Wait()
			w.ledger.Withdraw(hashOf("x"))
			answer <- 2 * gib
			check.Wait()
			expectHeld(t, w, 0, 1)
			if u := w.ledger.Usage(); u.Promised != 0 {
				t.Errorf("Usage = %+v", u)
			}
		})
	})
	t.Run("of its own reservation", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, Limits{Storage: mib})
			w.fillWith(t, 1, 2)
			answer := make(chan int64)
			done := make(chan error)
			go func() { done <- w.ledger.Reserve(hashOf("x"), func() int64 { return <-answer }) }()
			synctest.Wait()
			w.ledger.Withdraw(hashOf("x"))
			answer <- gib
			if err := <-done; !errors.Is(err, errGivenUp) {
				t.Errorf("Reserve: %v", err)
			}
			expectHeld(t, w, 0, 1)
			if u := w.ledger.Usage(); u.Promised != 0 {
				t.Errorf("Usage = %+v", u)
			}
		})
	})
	t.Run("of its own reclaim", func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib})
		w.fillWith(t, 1, 2)
		w.ledger.store = hookedStore{w.store, func() { w.ledger.Withdraw(hashOf("x")) }}
		if err := w.ledger.Reserve(hashOf("x"), remains(gib)); !errors.Is(err, errGivenUp) {
			t.Errorf("Reserve: %v", err)
		}
		if u := w.ledger.Usage(); u.Promised != 0 {
			t.Errorf("Usage = %+v", u)
		}
	})
}

// A download on a sick disk may take for ever to say how much it lacks. Nobody else has to wait for that.
func TestSickDownloadsDiskHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib})
		w.apart = &platform.FileSystem{ID: "sick", Free: gib, Total: gib}
		w.fillWith(t, 1, 2)
		healed := make(chan struct{})
		var calls atomic.Int64
		must(t, w.ledger.Reserve(hashOf("x"), func() int64 {
			if calls.Add(1) > 1 {
				<-healed
			}
			return 100 * mib
		}))
		w.set(func() { w.sick = healed })
		took := func(do func()) time.Duration {
			began := time.Now()
			do()
			return time.Since(began)
		}
		if d := took(func() { w.ledger.Enforce() }); d > 2*askTime {
			t.Errorf("the first check took %v", d)
		}
		for name, do := range map[string]func(){
			"a check":         func() { w.ledger.Enforce() },
			"an admission":    func() { must(t, w.admit(key("a", 7), 64*kib, 1)) },
			"Usage":           func() { w.ledger.Usage() },
			"a first refusal": func() { _ = w.ledger.Reserve(hashOf("y"), remains(1)) },
		} {
			if d := took(do); d != 0 {
				t.Errorf("%s took %v", name, d)
			}
		}
		if err := w.ledger.Reserve(hashOf("y"), remains(1)); !errors.Is(err, errNoAnswer) {
			t.Errorf("Reserve: %v", err)
		}
		if u := w.ledger.Usage(); u.Promised != 100*mib || u.SameDisk || u.Downloads != (platform.FileSystem{}) || u.Limit != mib {
			t.Errorf("Usage = %+v", u)
		}
		if n := calls.Load(); n != 2 {
			t.Errorf("the download was asked %d times, though it had not answered", n)
		}
		close(healed)
		synctest.Wait()
		w.set(func() { w.sick = nil })
		must(t, w.ledger.Reserve(hashOf("y"), remains(1)))
		if u := w.ledger.Usage(); u.Downloads.Total != gib {
			t.Errorf("Usage = %+v", u)
		}
	})
}

func TestDownloadMayUseItsOwnLockWhenItIsAsked(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2)
	var mu sync.Mutex // of the download, which holds it when it speaks to the ledger about another
	must(t, w.ledger.Reserve(hashOf("x"), func() int64 {
		mu.Lock()
		defer mu.Unlock()
		return gib - mib
	}))
	mu.Lock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.ledger.Enforce() // waits for the answer
	}()
	w.ledger.Usage()
	w.ledger.Withdraw(hashOf("x"))
	mu.Unlock()
	<-done
}

func TestPromisesAreKeptWhenFragmentsGiveBackLessThanTheyCount(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2, 3, 4, 5, 6, 7, 8)
	// A disk that compresses to a half: it has given back half of what a fragment counts for.
	free := func() int64 { return mib - w.store.Used()/2 }
	l := w.record(Config{
		Store: w.store, Limits: fixed(Limits{Storage: mib}),
		Fragments: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "zip", Free: free(), Total: mib}, nil
		},
	})
	// 768 KiB are free and 896 are wanted. Two fragments should do and give back only 64.
	must(t, l.Reserve(hashOf("x"), remains(896*kib)))
	if free() < 896*kib {
		t.Errorf("%d bytes are free, 896 KiB are promised", free())
	}
	if left, _ := w.store.Stats(); left != 4 {
		t.Errorf("%d of 8 fragments are left, 4 fit", left)
	}
}

func TestReserveIsNotRefusedBecauseOfWhatIsJustBeingStored(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	for i := range uint32(50) {
		admitted := make(chan error, 1)
		began := make(chan struct{})
		go func() {
			close(began)
			admitted <- w.admit(key("a", i), 64*kib, 1)
		}()
		<-began
		must(t, w.ledger.Reserve(hashOf("x"), remains(gib))) // all of the disk
		if err := <-admitted; err != nil && !errors.Is(err, ErrNoRoom) && !errors.Is(err, fragstore.ErrAborted) {
			t.Error(err)
		}
		if used := w.store.Used(); used != 0 {
			t.Errorf("%d bytes are used, all of the disk is promised", used)
		}
		w.ledger.Withdraw(hashOf("x"))
	}
	must(t, w.store.Check())
}

func TestReservationThatIsRefusedForFragmentsThatStaySaysSo(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2)
	w.ledger.store = &failingStore{Store: w.store, err: errors.New("input/output error")}
	err := w.ledger.Reserve(hashOf("x"), remains(gib-64*kib))
	var noSpace *NoSpaceError
	if !errors.As(err, &noSpace) || noSpace.Missing != 64*kib || !strings.Contains(err.Error(), "cannot be deleted (input/output error)") {
		t.Errorf("Reserve: %v", err)
	}
	expectHeld(t, w, 0, 1)
}
