package disk

import (
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/platform"
	"ebb/quota/disk/fragstore"
)

func TestDiskThatCannotBeMeasuredAdmitsNothingAndLosesNothing(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2)
	w.set(func() { w.broken = errors.New("the disk was pulled out") })
	for name, admit := range map[string]func(fragstore.Key, int64, [20]byte, float64) (*fragstore.Writer, error){
		"Admit": w.ledger.Admit, "AdmitAsked": w.ledger.AdmitAsked,
	} {
		if _, err := admit(key("a", 5), 1, [20]byte{}, 1); err == nil || !strings.Contains(err.Error(), "pulled out") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := w.ledger.Reserve(hashOf("x"), remains(1)); err == nil || !strings.Contains(err.Error(), "pulled out") {
		t.Errorf("Reserve: %v", err)
	}
	setLimits(w.ledger, Limits{Storage: 70 * kib, Writes: unlimited})
	if freed := w.ledger.Enforce(); freed != 0 {
		t.Errorf("Enforce freed %d", freed)
	}
	expectHeld(t, w, 0, 1)
	if u := w.ledger.Usage(); u.DiskError == nil || u.Promised != 0 || u.Used != 128*kib || u.Limit != 70*kib {
		t.Errorf("Usage = %+v", u)
	}
	w.set(func() { w.broken = nil }) // it is back
	w.ledger.Enforce()
	expectHeld(t, w, 1)
	must(t, w.admit(key("a", 5), 4*kib, 1))
}

func TestReadOnlyDiskAdmitsNothingAndIsNotTriedInVain(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	w.fillWith(t, 1, 2)
	deletions := 0
	w.ledger.store = hookedStore{w.store, func() { deletions++ }}
	w.set(func() { w.readOnly = true })
	if err := w.admit(key("a", 5), 1, 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Admit: %v", err)
	}
	setLimits(w.ledger, Limits{Storage: 100 * kib, Writes: unlimited})
	for range 10 {
		w.ledger.Enforce()
	}
	must(t, w.ledger.Reserve(hashOf("x"), remains(mib))) // it is the download's own trouble that it cannot be written there
	if err := w.ledger.Reserve(hashOf("y"), remains(gib-65*kib-mib)); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Reserve of what fragments would have to make room for: %v", err)
	}
	expectNoSpace(t, w.ledger.Reserve(hashOf("y"), remains(gib)), mib)
	if u := w.ledger.Usage(); !u.ReadOnly || u.Promised != mib {
		t.Errorf("Usage = %+v", u)
	}
	if deletions > 0 {
		t.Errorf("%d attempts to delete", deletions)
	}
	expectHeld(t, w, 0, 1)
	w.set(func() { w.readOnly = false })
	w.ledger.Enforce()
	expectHeld(t, w, 1)
	must(t, w.admit(key("a", 5), 4*kib, 1))
}

func TestFileSystemSmallerThanTheAllotmentSetsTheLimit(t *testing.T) {
	w := newWorld(t, Limits{Storage: 100 * gib, KeepFree: gib - 300*kib})
	w.fillWith(t, 1, 2, 3, 4)
	if err := w.admit(key("a", 9), 64*kib, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Admit: %v", err)
	}
	if u := w.ledger.Usage(); u.Limit != 300*kib || u.Allotment != 100*gib {
		t.Errorf("Usage = %+v", u)
	}
	w.fill(64 * kib)
	w.ledger.Enforce()
	expectHeld(t, w, 1, 2, 3)
}

func TestShareFollowsTheFileSystem(t *testing.T) {
	w := newWorld(t, Limits{Storage: 1, Share: 0.25})
	limit := func(want int64) {
		t.Helper()
		if u := w.ledger.Usage(); u.Allotment != want || u.Limit != want {
			t.Errorf("Usage = %+v, want an allotment of %d", u, want)
		}
	}
	limit(gib / 4)
	w.fillWith(t, 2, 1, 3)
	w.set(func() { w.total = 600 * kib }) // another, smaller disk has taken its place
	limit(150 * kib)
	w.ledger.Enforce()
	expectHeld(t, w, 0, 2)
	w.set(func() { w.broken = errors.New("the disk was pulled out") })
	limit(150 * kib)
	w.ledger.Enforce()
	expectHeld(t, w, 0, 2)
	w.set(func() { w.broken, w.total = nil, 2*gib })
	limit(gib / 2)
	for share, want := range map[float64]int64{math.NaN(): 1, -1: 1, 0: 1, 7: 2 * gib, math.Inf(1): 2 * gib} {
		setLimits(w.ledger, Limits{Storage: 1, Share: share})
		if got := w.ledger.Usage().Allotment; got != want {
			t.Errorf("a share of %v: %d, want %d", share, got, want)
		}
	}
}

func TestShareOfADiskThatWasNeverMeasuredIsNothing(t *testing.T) {
	w := &world{state: t.TempDir(), total: gib, broken: errors.New("no such disk")}
	w.open(t)
	defer func() { must(t, w.store.Close()) }()
	w.begin(Limits{Share: 0.5})
	if u := w.ledger.Usage(); u.Allotment != 0 || u.Limit != 0 {
		t.Errorf("Usage = %+v", u)
	}
}

func TestDownloadsOnAnotherDiskCostNoFragment(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib, KeepFree: 64 * kib})
	w.apart = &platform.FileSystem{ID: "usb", Free: 10 * mib, Total: 20 * mib}
	w.fillWith(t, 1, 2, 3, 4)
	must(t, w.ledger.Reserve(hashOf("x"), remains(6*mib)))
	must(t, w.ledger.Reserve(hashOf("y"), remains(4*mib)))
	err := w.ledger.Reserve(hashOf("z"), remains(1))
	expectNoSpace(t, err, 1)
	const want = "not enough space on the disk for this download: 0.1 KiB are missing, and the fragments are on another disk, so deleting them would not help; free some, or choose another foreground.directory"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if u := w.ledger.Usage(); u.SameDisk || u.Downloads != *w.apart || u.Promised != 10*mib || u.Limit != mib || u.DiskFree != gib-256*kib {
		t.Errorf("Usage = %+v", u)
	}
	w.ledger.Enforce()
	must(t, w.admit(key("a", 4), 64*kib, 1))
	expectHeld(t, w, 0, 1, 2, 3, 4)

	w.set(func() { w.broken = errors.New("pulled out") }) // the fragments' disk: what is it to the downloads?
	w.ledger.Withdraw(hashOf("y"))
	must(t, w.ledger.Reserve(hashOf("y"), remains(3*mib)))
	expectNoSpace(t, w.ledger.Reserve(hashOf("z"), remains(2*mib)), mib)
	w.set(func() { w.broken = nil })

	// The other disk is unmounted; its directory is one on the fragments' disk now.
	w.set(func() { w.apart, w.others = nil, gib-9*mib-200*kib-64*kib })
	w.ledger.Enforce()
	expectHeld(t, w, 1, 2, 3)
	if u := w.ledger.Usage(); !u.SameDisk || u.Promised != 9*mib {
		t.Errorf("Usage = %+v", u)
	}
	w.set(func() { w.apart = &platform.FileSystem{ID: "usb", Free: 10 * mib, Total: 20 * mib} })
	must(t, w.admit(key("a", 5), 64*kib, 1))
}

func TestDownloadsDiskThatCannotBeMeasuredRefusesOnlyDownloads(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	pulled := errors.New("pulled out")
	var gone error
	l := w.record(Config{
		Store: w.store, Fragments: w.disk, Limits: fixed(Limits{Storage: mib, Writes: unlimited}),
		Downloads: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "usb", Free: gib, Total: gib}, gone
		},
	})
	must(t, l.Reserve(hashOf("x"), remains(gib)))
	gone = pulled
	if err := l.Reserve(hashOf("y"), remains(1)); !errors.Is(err, pulled) {
		t.Errorf("Reserve: %v", err)
	}
	writer, err := l.Admit(key("a", 0), 64*kib, [20]byte{}, 1) // the promises are still for another disk
	must(t, err)
	if freed := l.Enforce(); freed != 0 || !writer.Abort() {
		t.Errorf("freed %d", freed)
	}
}

func TestDownloadsDoNotWaitForADiskOfFragmentsThatCannotBeMeasured(t *testing.T) {
	w := newWorld(t, Limits{})
	lost := errors.New("no such directory")
	l := w.record(Config{
		Store: w.store, Limits: fixed(Limits{Storage: mib}),
		Fragments: func() (platform.FileSystem, error) { return platform.FileSystem{}, lost },
		Downloads: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "disk", Free: mib, Total: gib}, nil
		},
	})
	must(t, l.Reserve(hashOf("x"), remains(mib)))
	if err := l.Reserve(hashOf("y"), remains(1)); !errors.Is(err, lost) { // fragments might make room, or might not
		t.Errorf("Reserve: %v", err)
	}
}

func TestSpaceThatComesBackLateIsNotReclaimedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{Storage: mib})
		w.fillWith(t, 1, 2, 3, 4, 5, 6)
		// A disk that shows deleted files as free only at its next commit, which never comes.
		full := w.store.Used()
		late := func() (platform.FileSystem, error) {
			fs, err := w.disk()
			fs.Free -= full - w.store.Used()
			return fs, err
		}
		l := w.record(Config{Store: w.store, Fragments: late, Limits: fixed(Limits{Storage: mib, KeepFree: 400 * kib})})
		w.fill(gib - full - 380*kib) // 20 KiB too much
		if freed := l.Enforce(); freed != 64*kib {
			t.Errorf("freed %d", freed)
		}
		for range 10 {
			<-time.After(3 * time.Second)
			if freed := l.Enforce(); freed != 0 {
				t.Errorf("freed %d more while space is on its way", freed)
			}
		}
		w.fill(gib - full - 300*kib) // but what somebody else writes meanwhile is seen
		if freed := l.Enforce(); freed != 64*kib {
			t.Errorf("freed %d when somebody else had written 80 KiB", freed)
		}
		w.set(func() { w.id = "another" })
		if freed := l.Enforce(); freed == 0 {
			t.Error("space that one disk owes is waited for on another")
		}
		w.set(func() { w.id = "" })
		<-time.After(settleTime + time.Second)
		if freed := l.Enforce(); freed == 0 {
			t.Error("space that never came back is still waited for")
		}
	})
}

// What somebody else writes while fragments are deleted is no space on its way, where deleted files show as free at
// once.
func TestWhatOthersWriteDuringADeletionIsNotExpectedBack(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib, KeepFree: 400 * kib})
	w.fillWith(t, 1, 2, 3, 4, 5, 6)
	w.fill(gib - 400*kib - 380*kib) // 4 KiB too much
	w.ledger.Enforce()
	expectHeld(t, w, 1, 2, 3, 4, 5)
	w.ledger.store = hookedStore{w.store, func() { w.fill(gib - 400*kib - 200*kib) }} // 100 KiB of it during the next one
	w.fill(gib - 400*kib - 300*kib)
	w.ledger.Enforce()
	w.ledger.store = w.store
	w.ledger.Enforce()
	expectHeld(t, w, 3, 4, 5)
}

func TestAbsurdMeasurementsDoNotOverflow(t *testing.T) {
	w := newWorld(t, Limits{})
	w.ledger = w.record(Config{
		Store: w.store,
		Fragments: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "absurd", Free: math.MaxInt64, Total: math.MaxInt64}, nil
		},
		Limits: fixed(Limits{Storage: math.MaxInt64, KeepFree: math.MaxInt64, Writes: math.MaxInt64}),
	})
	if err := w.admit(key("a", 0), 1, 1); !errors.Is(err, ErrNoRoom) {
		t.Errorf("with everything to be kept free: %v", err)
	}
	setLimits(w.ledger, Limits{Storage: math.MaxInt64, Writes: math.MinInt64})
	must(t, w.admit(key("a", 0), 1, 1))
	if u := w.ledger.Usage(); u.Limit < 1<<59 || u.Writes != -1 {
		t.Errorf("Usage = %+v", u)
	}
	setLimits(w.ledger, Limits{Share: 0.9})
	if u := w.ledger.Usage(); u.Limit < 1<<59 {
		t.Errorf("Usage = %+v", u)
	}
	for i := range 100 {
		must(t, w.ledger.Reserve(hashOf(string(rune(i))), remains(math.MaxInt64)))
	}
	if u := w.ledger.Usage(); u.Promised <= 0 || u.Limit < 0 {
		t.Errorf("Usage = %+v", u)
	}
}

// growingStore is on a file system that cannot set space aside: what is incoming is not on disk yet.
type growingStore struct{ *fragstore.Store }

func (s growingStore) InFlight() (charged, unwritten int64) {
	charged, _ = s.Store.InFlight()
	return charged, charged
}

func TestIncomingFragmentsAreNotSpaceOnTheDiskBeforeTheyAreWritten(t *testing.T) {
	w := newWorld(t, Limits{})
	l := w.record(Config{
		Store: growingStore{w.store},
		Fragments: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "growing", Free: 128 * kib, Total: gib}, nil
		},
		Limits: fixed(Limits{Storage: mib, Writes: unlimited}),
	})
	for i := range uint32(3) {
		_, err := l.Admit(key("a", i), 64*kib, [20]byte{}, 1)
		if i < 2 && err != nil || i == 2 && !errors.Is(err, ErrNoRoom) {
			t.Errorf("fragment %d of 64 KiB where 128 are free: %v", i, err)
		}
	}
}
