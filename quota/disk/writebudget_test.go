package disk

import (
	"context"
	"crypto/sha1"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ebb/quota"
	"ebb/quota/disk/fragstore"
)

// writingStore counts writes by itself, so that a test can tell to the byte.
type writingStore struct {
	*fragstore.Store
	mu      sync.Mutex
	written int64
	puts    int
}

func (s *writingStore) Written() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

func (s *writingStore) write(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written += n
}

// PutMeta costs four pages.
func (s *writingStore) PutMeta(bucket, key string, value []byte) error {
	s.mu.Lock()
	s.written += 16 * kib
	s.puts++
	s.mu.Unlock()
	return s.Store.PutMeta(bucket, key, value)
}

func (s *writingStore) putCount() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.puts
}

func TestAdmitKeepsToTheWriteBudget(t *testing.T) {
	w := newWorld(t, Limits{})
	s := &writingStore{Store: w.store}
	l := w.over(s, Limits{Storage: mib, Writes: 200 * kib})
	admit := func(index uint32, length int64) *fragstore.Writer {
		t.Helper()
		p := content(key("a", index), length)
		writer, err := l.Admit(key("a", index), length, sha1.Sum(p), 1)
		must(t, err)
		return writer
	}
	complete := func(writer *fragstore.Writer, length int64) {
		_, err := writer.WriteAt(content(writer.Key(), length), 0)
		must(t, err)
		s.write(length)
		must(t, writer.Commit())
	}
	refused := func(index uint32, length int64) error {
		t.Helper()
		_, err := l.Admit(key("a", index), length, [20]byte{}, 1e9)
		if !errors.Is(err, ErrBudget) {
			t.Errorf("Admit of %d: %v", length, err)
		}
		return err
	}
	first, second := admit(0, 64*kib), admit(1, 64*kib)
	refused(2, 73*kib) // what is being received will be written
	l.pending = 64 * kib
	refused(2, 9*kib) // and what others are just being admitted
	l.pending = 0
	third := admit(2, 72*kib)
	third.Abort()
	complete(first, 64*kib)
	refused(3, 73*kib)
	complete(second, 64*kib)
	s.write(8 * kib) // the index
	refused(3, 65*kib)
	complete(admit(3, 64*kib), 64*kib)
	err := refused(4, 1)
	if !strings.Contains(err.Error(), "today's write budget is spent") {
		t.Error(err)
	}
	if u := l.Usage(); u.Writes != 200*kib || u.Written != 200*kib || u.Renews.Before(time.Now()) {
		t.Errorf("Usage = %+v", u)
	}

	// The owner's own wish is not kept waiting, and counts.
	p := content(key("a", 4), 64*kib)
	asked, err := l.AdmitAsked(key("a", 4), 64*kib, sha1.Sum(p), 1)
	must(t, err)
	complete(asked, 64*kib)
	if got := l.Usage().Written; got != 264*kib {
		t.Errorf("written: %d", got)
	}
	expectHeld(t, w, 0, 1, 3, 4)
	if len(w.heard()) > 0 {
		t.Error("something was reclaimed for what was refused")
	}

	setLimits(l, Limits{Storage: mib, Writes: mib})
	if err := refused(5, mib+1); !strings.Contains(err.Error(), "it has 1.1 MiB, and the whole write budget is 1 MiB per day") {
		t.Error(err)
	}
	setLimits(l, Limits{Storage: mib})
	refused(5, 1)
	setLimits(l, Limits{Storage: mib, Writes: unlimited})
	admit(5, 64*kib).Abort()
}

func TestConcurrentAdmitsNeverExceedTheWriteBudget(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	const budget = 40 * 4 * kib
	before := w.store.Written()
	l := w.over(w.store, Limits{Storage: 64 * mib, Writes: before + budget})
	var fetchers sync.WaitGroup
	for fetcher := range uint32(8) {
		fetchers.Go(func() {
			for i := range uint32(20) {
				k := key("a", fetcher*100+i)
				p := content(k, 4*kib)
				writer, err := l.Admit(k, 4*kib, sha1.Sum(p), 1)
				if err != nil {
					if !errors.Is(err, ErrBudget) {
						t.Error(err)
					}
					continue
				}
				if i%5 == 4 {
					writer.Abort()
					continue
				}
				if _, err := writer.WriteAt(p, 0); err != nil {
					t.Error(err)
				}
				if err := writer.Commit(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	fetchers.Wait()
	if held := int64(len(w.held())) * 4 * kib; held > budget || held < budget/8 {
		t.Errorf("%d bytes of fragments were written under a budget of %d", held, budget)
	}
}

func TestUnavailableDiskKeepsTheBackgroundWaitingButNotTheOwner(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	asleep := ErrAsleep
	w.ledger.unavailable = func() error { return asleep }
	if err := w.admit(key("a", 0), 64*kib, 1); !errors.Is(err, asleep) {
		t.Errorf("Admit: %v", err)
	}
	writer, err := w.ledger.AdmitAsked(key("a", 0), 64*kib, [20]byte{}, 1)
	must(t, err)
	writer.Abort()
	w.ledger.unavailable = func() error { return nil }
	must(t, w.admit(key("a", 0), 64*kib, 1))
}

func TestBudgetIsWrittenDownOnceAMinuteWhileItGrowsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{})
		s := &writingStore{Store: w.store}
		var asleep atomic.Bool
		l := w.record(Config{
			Store: s, Fragments: w.disk, Limits: fixed(Limits{Storage: mib, Writes: mib}), Unavailable: func() error {
				if asleep.Load() {
					return ErrAsleep
				}
				return nil
			},
		})
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx) })
		pass := func(d time.Duration) {
			<-time.After(d)
			synctest.Wait()
		}
		puts := func(want int) {
			t.Helper()
			if got := s.putCount(); got != want {
				t.Errorf("written down %d times, want %d", got, want)
			}
		}
		pass(time.Hour)
		puts(0) // nothing to say
		for range 10 * 60 {
			s.write(kib)
			pass(time.Second)
		}
		if n := s.putCount(); n < 9 || n > 11 {
			t.Errorf("written down %d times in ten minutes", n)
		}
		pass(2 * time.Minute)
		n := s.putCount()
		pass(6 * time.Hour)
		puts(n) // its own pages are no reason to write it down again
		asleep.Store(true)
		s.write(kib)
		pass(time.Hour)
		puts(n)
		asleep.Store(false)
		pass(time.Minute)
		puts(n + 1)
		s.write(100)
		cancel()
		running.Wait()
		puts(n + 2)
		spent := l.Usage().Written
		again := w.over(w.store, Limits{Writes: mib})
		if got := again.Usage().Written; got < spent-16*kib {
			t.Errorf("%d of %d bytes written today are remembered", got, spent)
		}
	})
}

func TestBudgetThatCannotBeWrittenDownIsTriedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{})
		s := &brokenMeta{Store: w.store}
		l := w.over(s, Limits{Writes: mib})
		l.mu.Lock()
		l.budget = quota.ParsePeriod(quota.Daily, "20990101 5 0")
		l.mu.Unlock()
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { l.Run(ctx) })
		<-time.After(10*time.Minute + time.Second)
		cancel()
		running.Wait()
		if s.puts < 9 || s.puts > 12 {
			t.Errorf("tried %d times in ten minutes", s.puts)
		}
	})
}

type brokenMeta struct {
	*fragstore.Store
	puts int
}

func (s *brokenMeta) PutMeta(string, string, []byte) error {
	s.puts++
	return errors.New("no space left on device")
}

func TestKilledProcessForgetsNoMoreThanSinceItLastWroteItDown(t *testing.T) {
	w := newWorld(t, Limits{})
	s := &writingStore{Store: w.store}
	l := w.over(s, Limits{Writes: mib})
	s.write(100 * kib)
	l.keepBudget(true)
	s.write(50 * kib)
	l.Usage()
	// It is killed here: nothing of the 50 KiB is on disk.
	again := w.record(Config{Store: &writingStore{Store: w.store}, Fragments: w.disk, Limits: fixed(Limits{Storage: mib, Writes: 110 * kib})})
	if got := again.Usage().Written; got != 100*kib {
		t.Errorf("written: %d", got)
	}
	if _, err := again.Admit(key("a", 0), 11*kib, [20]byte{}, 1); !errors.Is(err, ErrBudget) {
		t.Errorf("Admit: %v", err)
	}
	if !slices.Equal(w.store.MetaKeys("quota"), []string{budgetKey}) {
		t.Errorf("kept: %q", w.store.MetaKeys("quota"))
	}
}
