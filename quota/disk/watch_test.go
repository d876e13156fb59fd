package disk

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/prefs"
)

// newWatch returns a Watch of a drive that spins, and whether that sleeps.
func newWatch(t *testing.T, p *prefs.Preferences) (w *Watch, sleeps *bool) {
	w = NewWatch(WatchConfig{
		Directory: t.TempDir(), Index: filepath.Join(t.TempDir(), "fragments.db"),
		Preferences: func() prefs.Preferences { return *p },
		Log:         slog.New(slog.DiscardHandler),
	})
	sleeps = new(bool)
	w.asleep = func() (bool, error) { return *sleeps, nil }
	return w, sleeps
}

// expectNews waits for the next change, which has to come within d, and for what follows from it.
func expectNews(t *testing.T, w *Watch, lost error, d time.Duration, words string, unavailable error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	news, err := w.Next(ctx, func() error { return lost })
	if err != nil || !strings.Contains(news, words) {
		t.Errorf("news %q, %v; want some of %q", news, err, words)
	}
	if got := w.Unavailable(); !errors.Is(got, unavailable) {
		t.Errorf("unavailable: %v, want %v", got, unavailable)
	}
}

func expectNoNews(t *testing.T, w *Watch, lost error, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if news, err := w.Next(ctx, func() error { return lost }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("news %q, %v; want none", news, err)
	}
}

func TestSleepingDiskIsLeftAloneOnlyIfTheOwnerWishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefs.Default()
		w, sleeps := newWatch(t, &p)
		expectNoNews(t, w, nil, time.Hour)
		*sleeps = true
		expectNews(t, w, nil, sleepInterval+time.Second, "sleeps", ErrAsleep)
		expectNoNews(t, w, nil, time.Hour)
		p.Background.DiskSleep = prefs.DiskSleepIgnore
		expectNews(t, w, nil, sleepInterval+time.Second, "awake", nil)
		p.Background.DiskSleep = prefs.DiskSleepRespect
		expectNews(t, w, nil, sleepInterval+time.Second, "sleeps", ErrAsleep)
		*sleeps = false
		expectNews(t, w, nil, sleepInterval+time.Second, "awake", nil)
	})
}

func TestDiskThatDoesNotTellWhetherItSleepsCountsAsAwake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefs.Default()
		w, _ := newWatch(t, &p)
		w.asleep = func() (bool, error) { return false, errors.New("not permitted") }
		expectNoNews(t, w, nil, time.Hour)
		if err := w.Unavailable(); err != nil {
			t.Error(err)
		}
	})
}

func TestDiskThatHasGoneIsMissedAndTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefs.Default()
		w, sleeps := newWatch(t, &p)
		gone := errors.New("unplugged")
		expectNews(t, w, gone, lostInterval+time.Second, "unplugged", gone)
		*sleeps = true
		expectNews(t, w, gone, sleepInterval+time.Second, "sleeps", gone) // what has gone is not waited for to wake
		expectNews(t, w, nil, lostInterval+time.Second, "there again", ErrAsleep)
	})
}

func TestDiskThatIsMountedAnewHasToBeOpenedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := prefs.Default()
		w, _ := newWatch(t, &p)
		gone := errors.New("another directory has taken its place")
		must(t, os.WriteFile(w.index, nil, 0o600))
		expectNews(t, w, gone, lostInterval+time.Second, "gone", gone) // it may still be the disk that was opened
		if news, err := w.Next(t.Context(), func() error { return gone }); !errors.Is(err, ErrRemounted) {
			t.Errorf("news %q, %v; want to open it anew", news, err)
		}
	})
}
