package disk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"ebb/agent/prefs"
	"ebb/platform"
)

// ErrAsleep says that the disk with the fragments is in standby, and that the owner does not want it woken.
var ErrAsleep = errors.New("the disk sleeps")

// ErrRemounted says that the disk with the fragments had gone and is mounted anew: what was opened on it before is of
// no use any more, and has to be opened again.
var ErrRemounted = errors.New("the disk that holds ebb's state has come back, and is opened anew")

const (
	lostInterval = 2 * time.Second // how often we look whether the fragments are still there
	// sleepInterval is how often we ask a spinning disk whether it sleeps. Asking does not wake it, but some disks
	// count it as use and would never fall asleep if they were asked all the time.
	sleepInterval = time.Minute
)

// WatchConfig is what a Watch works with.
type WatchConfig struct {
	Directory string // where the fragments and their index are
	Index     string // the index's file. If it is there while the fragments that were opened are not, the disk is mounted anew
	// Present says why the fragments' own disk is away, nil if it is there; it may be nil itself.
	Present     func() error
	Preferences func() prefs.Preferences
	Log         *slog.Logger
}

// Watch knows whether the disk with the fragments is there and awake. Whoever would read or write there asks
// Unavailable, from any goroutine. One goroutine calls Next, by which the Watch follows the disk.
type Watch struct {
	index       string
	present     func() error
	preferences func() prefs.Preferences
	drive       platform.Drive
	silent      error                // why the drive does not tell whether it sleeps, if it spins
	asleep      func() (bool, error) // nil: the drive does not spin
	toLook      *time.Ticker
	toAsk       *time.Ticker

	mu       sync.Mutex // guards what follows
	lost     error      // the disk has gone, or something else is in its place
	sleeping bool       // and is to sleep on
}

// NewWatch finds out what drive the fragments are on. That it cannot be found is no error: such a drive counts as
// awake.
func NewWatch(cfg WatchConfig) *Watch {
	w := &Watch{
		index: cfg.Index, present: cfg.Present, preferences: cfg.Preferences,
		toLook: time.NewTicker(lostInterval), toAsk: time.NewTicker(sleepInterval),
	}
	if w.present == nil {
		w.present = func() error { return nil }
	}
	var err error
	if w.drive, err = platform.DriveOf(cfg.Directory); err != nil {
		cfg.Log.Debug("looking for the drive under the fragments", "err", err)
	} else if w.drive.Rotational {
		w.asleep = w.drive.Asleep
		_, w.silent = w.asleep()
	}
	return w
}

// Drive returns what the fragments are on, the zero Drive if that is not known, and an error if it spins and does not
// tell whether it sleeps.
func (w *Watch) Drive() (platform.Drive, error) { return w.drive, w.silent }

// Unavailable returns why the background may neither read nor write fragments just now, nil if it may: ErrAsleep, or an
// error that says that the disk has gone.
func (w *Watch) Unavailable() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.lost != nil:
		return w.lost
	case w.sleeping:
		return ErrAsleep
	}
	return nil
}

// Next waits until something changes, and returns what, for the owner. lost is that of the fragment store
// (fragstore.Store.Lost). Errors: ErrRemounted, and ctx's.
func (w *Watch) Next(ctx context.Context, lost func() error) (news string, err error) {
	for news == "" && err == nil {
		select {
		case <-w.toLook.C:
			news, err = w.look(lost())
		case <-w.toAsk.C:
			news = w.ask()
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	return news, err
}

// look notes whether the disk has gone, or is there again.
func (w *Watch) look(lost error) (news string, err error) {
	w.mu.Lock()
	before := w.lost
	w.lost = lost
	w.mu.Unlock()
	switch {
	case lost == nil && before != nil:
		return "the disk with the fragments is there again", nil
	case lost != nil && before == nil:
		return fmt.Sprintf("paused: the disk with the fragments has gone; when it comes back ebb goes on (%v)", lost), nil
	case lost != nil:
		// It takes two looks to be sure: the disk that was opened may be about to come back.
		if fi, err := os.Stat(w.index); err == nil && fi.Mode().IsRegular() && w.present() == nil {
			return "", ErrRemounted
		}
	}
	return "", nil
}

// ask notes whether the disk sleeps.
func (w *Watch) ask() (news string) {
	sleeping := false
	if w.asleep != nil && w.preferences().Background.DiskSleep == prefs.DiskSleepRespect {
		// If the drive may not be asked, or does not answer, it counts as awake: ebb doctor says so.
		sleeping, _ = w.asleep()
	}
	w.mu.Lock()
	before := w.sleeping
	w.sleeping = sleeping
	w.mu.Unlock()
	switch {
	case sleeping && !before:
		return "the disk sleeps, and ebb lets it: fragments are neither fetched nor served until something else wakes it"
	case before && !sleeping:
		return "the disk is awake"
	}
	return ""
}
