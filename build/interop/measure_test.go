//go:build linux

package interop

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// read makes a series from a counter that is read once a second, each answer at once.
func read(totals ...int64) *Series {
	s := new(Series)
	now := time.Now()
	for i, total := range totals {
		at := now.Add(time.Duration(i) * time.Second)
		s.Add(at, at, total)
	}
	return s
}

func TestMostWithinFindsTheSteepestSpan(t *testing.T) {
	for _, test := range []struct {
		name   string
		series *Series
		span   time.Duration
		want   int64
	}{
		{"no readings", read(), 2 * time.Second, 0},
		{"one reading", read(7), 2 * time.Second, 0},
		{"what came before the first reading does not count", read(100, 101), 2 * time.Second, 1},
		{"shorter than the span", read(0, 5), 2 * time.Second, 5},
		{"in the middle", read(0, 1, 11, 21, 22, 23), 2 * time.Second, 20},
		{"at the end", read(0, 0, 0, 3, 9), 2 * time.Second, 9},
		{"readings further apart than the span", read(0, 100), time.Second / 2, 0},
	} {
		if got := test.series.MostWithin(test.span); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestSlowAnswerDoesNotMakeGrowthLookFaster(t *testing.T) {
	var s Series
	now := time.Now()
	s.Add(now, now.Add(3*time.Second), 0) // the counter may be that of 3 s ago
	s.Add(now.Add(3*time.Second), now.Add(3*time.Second), 30)
	if got := s.MostWithin(time.Second); got != 0 {
		t.Errorf("30 bytes in what may have been 3 s count as %d bytes within 1 s", got)
	}
	if got := s.MostWithin(3 * time.Second); got != 30 {
		t.Errorf("%d bytes within 3 s, want 30", got)
	}
}

func TestGapIsTheLongestBlindTime(t *testing.T) {
	var s Series
	now := time.Now()
	s.Add(now, now, 1)
	s.Add(now.Add(time.Second), now.Add(4*time.Second), 5)
	s.Add(now.Add(5*time.Second), now.Add(5*time.Second), 2)
	if got := s.Gap(); got != 4*time.Second {
		t.Errorf("gap %v, want 4s: from the first question to the second answer", got)
	}
	if got := s.Max(); got != 5 {
		t.Errorf("maximum %d, want 5", got)
	}
}

func TestWatchReadsUntilStopped(t *testing.T) {
	third := make(chan struct{})
	reads := 0
	watch := StartWatch(t.Context(), time.Millisecond, func(context.Context) (int64, error) {
		if reads++; reads == 3 {
			close(third)
		}
		return int64(reads), nil
	})
	<-third
	series, err := watch.Stop()
	if err != nil || series.Max() < 2 {
		t.Errorf("%d readings up to %d, error %v", series.Len(), series.Max(), err)
	}
}

func TestWatchTellsWhyItEnded(t *testing.T) {
	broken := errors.New("broken")
	watch := StartWatch(t.Context(), time.Millisecond, func(context.Context) (int64, error) { return 0, broken })
	<-watch.ended
	if _, err := watch.Stop(); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
}

func TestAllocatedBelowCountsBlocksOfFilesOnly(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "below"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "below", "full"), make([]byte, 64<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	sparse := filepath.Join(dir, "sparse")
	if err := os.WriteFile(sparse, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(sparse, 1<<30); err != nil {
		t.Fatal(err)
	}
	got, err := AllocatedBelow(dir)
	if err != nil || got < 64<<10 || got > 128<<10 {
		t.Errorf("%d bytes, error %v; want about 64 KiB: the full file, not the hole", got, err)
	}
	if got, err := AllocatedBelow(filepath.Join(dir, "absent")); err != nil || got != 0 {
		t.Errorf("a directory that is not there: %d bytes, error %v", got, err)
	}
}

func TestPeakMemoryOfThisProcess(t *testing.T) {
	peak, err := PeakMemory(os.Getpid())
	if err != nil || peak < 1<<20 {
		t.Errorf("%d bytes, error %v", peak, err)
	}
}
