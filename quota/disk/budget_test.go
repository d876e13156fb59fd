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

	"ebb/quota/disk/fragstore"
)

func TestBudgetLastsADay(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*60*60)
	at := func(text string) time.Time {
		wall, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
		must(t, err)
		return wall
	}
	// Each step: the clock, hours of running, bytes written by then; what is spent, and when the budget renews.
	type step struct {
		wall    string
		up      float64
		written int64
		spent   int64
		renews  string
	}
	for name, steps := range map[string][]step{
		"midnight is local": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-03-01 23:59", 11.9, 30, 30, "2026-03-02 00:00"},
			{"2026-03-02 00:00", 12, 35, 5, "2026-03-03 00:00"},
			{"2026-03-02 23:59", 35.9, 36, 6, "2026-03-03 00:00"},
		},
		"boot in 1970, then NTP": {
			{"1970-01-01 00:00", 0, 10, 10, "1970-01-02 00:00"},
			{"2026-03-01 12:00", 0.1, 30, 20, "2026-03-02 00:00"}, // a later day than any
			{"2026-03-01 12:01", 0.2, 31, 21, "2026-03-02 00:00"},
		},
		"back by an hour over midnight": {
			{"2026-03-02 00:10", 0, 10, 10, "2026-03-03 00:00"},
			{"2026-03-01 23:10", 0.1, 20, 20, "2026-03-02 23:04"},
			{"2026-03-02 00:00", 1, 30, 30, "2026-03-02 23:00"}, // the day that it is already
			{"2026-03-02 23:00", 24, 31, 1, "2026-03-03 00:00"}, // after 24 h at the latest
		},
		"to 2099 and back": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2099-01-01 12:00", 1, 20, 10, "2099-01-02 00:00"},
			{"2026-03-01 14:00", 2, 30, 20, "2026-03-02 13:00"},
			{"2026-03-02 00:30", 12.5, 40, 30, "2026-03-02 13:00"},
			{"2026-03-02 12:59", 24.9, 41, 31, "2026-03-02 13:05"},
			{"2026-03-02 13:00", 25, 45, 4, "2026-03-03 13:00"},
			{"2026-03-03 13:00", 49, 46, 1, "2026-03-04 13:00"},
		},
		"a clock that stands still": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-03-01 12:00", 23.9, 20, 20, "2026-03-01 12:06"},
			{"2026-03-01 12:00", 24, 21, 1, "2026-03-02 00:00"},
		},
		"hour by hour backwards": {
			{"2026-03-01 12:00", 0, 10, 10, "2026-03-02 00:00"},
			{"2026-02-28 12:00", 1, 20, 20, "2026-03-01 11:00"},
			{"2026-02-27 12:00", 2, 30, 30, "2026-02-28 10:00"},
			{"1970-01-01 00:00", 3, 40, 40, "1970-01-01 21:00"},
			{"2026-03-01 12:00", 4, 50, 50, "2026-03-02 00:00"},
		},
	} {
		var b budget
		for i, s := range steps {
			wall, up := at(s.wall), time.Duration(s.up*float64(time.Hour))
			b.count(wall, up, s.written)
			if got := b.renews(wall).Round(time.Minute); b.spent != s.spent || !got.Equal(at(s.renews)) {
				t.Errorf("%s, step %d: %d spent, renews %v; want %d and %s", name, i, b.spent, got, s.spent, s.renews)
			}
			// A restart at any point changes nothing, as long as the day is the same.
			again := parseBudget(b.String())
			again.count(wall, 0, 7)
			if again.spent != b.spent+7 {
				t.Errorf("%s, step %d: %d spent after a restart, %d before", name, i, again.spent, b.spent)
			}
		}
	}
}

// A router that is rebooted every morning, and whose clock was in 2099 once, has a budget all the same.
func TestBudgetAgesOverRestarts(t *testing.T) {
	wall := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
	b := budget{day: 20990101, spent: 5}
	renewed := 0
	for range 10 {
		b = parseBudget(b.String())
		b.count(wall, 0, 0)
		b.count(wall.Add(10*time.Hour), 10*time.Hour, 10)
		if b.spent == 10 {
			renewed++
		}
		wall = wall.Add(24 * time.Hour)
	}
	if renewed < 3 {
		t.Errorf("renewed %d times in ten days of ten hours", renewed)
	}
}

func TestWhatIsKeptOfABudgetIsReadWithCare(t *testing.T) {
	for text, want := range map[string]budget{
		"20260301 1234 60":               {day: 20260301, spent: 1234, age: time.Minute},
		"20260301 1234 9999999":          {day: 20260301, spent: 1234, age: 24 * time.Hour},
		"20260301 9223372036854775807 1": {day: 20260301, spent: mostFree, age: time.Second},
		"":                               {}, "x": {}, "1 2": {}, "1 2 3 4": {}, "1 2 3x": {}, "-1 2 3": {}, "1 -2 3": {}, "1 2 -3": {},
		"1 99999999999999999999 3": {}, "\x00\xff": {},
	} {
		if got := parseBudget(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
	b := budget{spent: mostFree - 1}
	b.count(time.Unix(0, 0), 0, 1<<62)
	if b.day == 0 || b.spent != mostFree {
		b.count(time.Unix(0, 0), 0, 1<<62)
	}
	if b.spent < 0 || b.spent > mostFree {
		t.Errorf("spent: %d", b.spent)
	}
}

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

	l.SetLimits(Limits{Storage: mib, Writes: mib})
	if err := refused(5, mib+1); !strings.Contains(err.Error(), "it has 1.1 MiB, and the whole write budget is 1 MiB per day") {
		t.Error(err)
	}
	l.SetLimits(Limits{Storage: mib})
	refused(5, 1)
	l.SetLimits(Limits{Storage: mib, Writes: unlimited})
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

func TestHoldKeepsTheBackgroundWaitingButNotTheOwner(t *testing.T) {
	w := newWorld(t, Limits{Storage: mib})
	asleep := errors.New("the disk sleeps")
	w.ledger.hold = func() error { return asleep }
	if err := w.admit(key("a", 0), 64*kib, 1); !errors.Is(err, asleep) {
		t.Errorf("Admit: %v", err)
	}
	writer, err := w.ledger.AdmitAsked(key("a", 0), 64*kib, [20]byte{}, 1)
	must(t, err)
	writer.Abort()
	w.ledger.hold = func() error { return nil }
	must(t, w.admit(key("a", 0), 64*kib, 1))
}

func TestBudgetIsWrittenDownOnceAMinuteWhileItGrowsAndAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, Limits{})
		s := &writingStore{Store: w.store}
		var asleep atomic.Bool
		l := w.record(Config{
			Store: s, Fragments: w.disk, Limits: Limits{Storage: mib, Writes: mib}, Hold: func() error {
				if asleep.Load() {
					return errors.New("the disk sleeps")
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
		l.budget = budget{day: 20990101, spent: 5}
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
	again := w.record(Config{Store: &writingStore{Store: w.store}, Fragments: w.disk, Limits: Limits{Storage: mib, Writes: 110 * kib}})
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
