package disk

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A disk that fills by 1 MiB/s, or a download that grows by as much, takes from the background what it needs. An eager
// background does not take back in between what is to be reclaimed next.
func TestSlowBreachDoesNotFlap(t *testing.T) {
	for name, fill := range map[string]func(w *world, x *download){
		"somebody writes":  func(w *world, _ *download) { w.set(func() { w.others += 2 * mib }) },
		"a download grows": func(_ *world, x *download) { x.Add(2 * mib) },
	} {
		t.Run(name, func(t *testing.T) {
			state := memoryDir(t)
			synctest.Test(t, func(t *testing.T) {
				const fragments, keepFree = 5000, gib
				w := newPlanted(t, state, 50, fragments/50, fragments*mib+keepFree, Limits{Storage: 1 << 40, KeepFree: keepFree})
				defer func() { must(t, w.store.Close()) }()
				var x download
				must(t, w.ledger.Reserve(hashOf("x"), x.remaining))
				reclaims, admitted := 0, 0
				began := time.Now()
				for time.Since(began) < time.Hour {
					fill(w, &x)
					if w.ledger.Enforce() > 0 {
						reclaims++
					}
					if u := w.ledger.Usage(); u.Used > u.Limit {
						t.Fatalf("Usage = %+v", u)
					}
					for {
						writer, err := w.ledger.Admit(key("new", uint32(admitted)), mib, [20]byte{}, 0)
						if errors.Is(err, ErrNoRoom) {
							break
						}
						must(t, err)
						writer.Abort() // it would have been fetched
						admitted++
						if admitted > 1000 {
							t.Fatal("the background takes back what was reclaimed")
						}
					}
					<-time.After(checkEvery)
				}
				left, _ := w.store.Stats()
				// 3600 MiB were taken: steps of 1/128 of 5000 MiB, and less as it shrinks, make about 160.
				if took := fragments - left; reclaims > 200 || admitted > 0 || took < 3600 || took > 3600+64 {
					t.Errorf("%d reclaims took %d fragments, and %d were fetched in between", reclaims, took, admitted)
				}
			})
		})
	}
}

func TestBackgroundGrowsAgainWhenThereIsRoomAgain(t *testing.T) {
	limits := Limits{Storage: 512 * kib, KeepFree: 100 * mib, Writes: unlimited}
	w := newWorld(t, limits)
	leave := func(room int64) { w.fill(gib - limits.KeepFree - room) }
	w.fillWith(t, 1, 2, 3, 4, 5, 6, 7, 8)
	leave(450 * kib)
	w.ledger.Enforce()
	expectHeld(t, w, 2, 3, 4, 5, 6, 7)
	must(t, w.admit(key("a", 20), 64*kib, 100)) // in place of a worse one, not beside it
	expectHeld(t, w, 3, 4, 5, 6, 7, 20)
	if err := w.admit(key("a", 21), 64*kib, 3); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Admit of a seventh where seven had been too many: %v", err)
	}
	leave(480 * kib) // a little more room: it may be gone again at the next check
	if err := w.admit(key("a", 21), 64*kib, 3); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Admit with 30 KiB more: %v", err)
	}
	leave(520 * kib)
	must(t, w.admit(key("a", 21), 64*kib, 3))
	must(t, w.admit(key("a", 22), 64*kib, 3))
	expectHeld(t, w, 3, 4, 5, 6, 7, 20, 21, 22)
}

// The owner's own limit does not move by itself, and the owner may change their mind at once.
func TestOwnersLimitsDoNotStopRegrowth(t *testing.T) {
	limits := Limits{Storage: 512 * kib, KeepFree: 100 * mib, Writes: unlimited}
	w := newWorld(t, limits)
	w.fillWith(t, 1, 2, 3, 4, 5, 6, 7, 8)
	limits.Storage = 450 * kib
	setLimits(w.ledger, limits)
	w.ledger.Enforce()
	expectHeld(t, w, 2, 3, 4, 5, 6, 7)
	must(t, w.admit(key("a", 8), 64*kib, 1)) // 448 KiB
	w.fill(gib - limits.KeepFree - 300*kib)
	w.ledger.Enforce()
	expectHeld(t, w, 4, 5, 6, 7)
	if err := w.admit(key("a", 9), 40*kib, 0); !errors.Is(err, ErrNoRoom) {
		t.Errorf("Admit: %v", err)
	}
	setLimits(w.ledger, limits)
	must(t, w.admit(key("a", 9), 40*kib, 0))
}
