package prefs_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/prefs"
)

// told is one call of a watch's function.
type told struct {
	prefs prefs.Preferences
	err   error
}

// watched runs a watch on a file that holds text. next lets one interval pass and returns what was told in it.
func watched(t *testing.T, text string) (path string, next func() []told) {
	path = filepath.Join(t.TempDir(), "ebb.toml")
	put(t, path, text)
	ctx, stop := context.WithCancel(t.Context())
	calls := make(chan told, 100)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		prefs.Watch(ctx, path, time.Second, func(p prefs.Preferences, err error) { calls <- told{p, err} })
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
	synctest.Wait()
	return path, func() []told {
		<-time.After(time.Second)
		synctest.Wait()
		var all []told
		for len(calls) > 0 {
			all = append(all, <-calls)
		}
		return all
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestWatchTellsOfEachChangeOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, next := watched(t, "[background]\nstorage = \"1GiB\"\n")
		if calls := next(); calls != nil {
			t.Errorf("told %v of a file that did not change", calls)
		}
		p := with(func(p *prefs.Preferences) { p.Background.Storage = prefs.StorageOf(2 << 30) })
		if err := prefs.Save(path, p); err != nil {
			t.Fatal(err)
		}
		if calls := next(); len(calls) != 1 || calls[0].err != nil || !calls[0].prefs.Equal(p) {
			t.Errorf("told %v", calls)
		}
		if calls := next(); calls != nil {
			t.Errorf("told again: %v", calls)
		}
	})
}

func TestWatchSeesAChangeThatKeepsSizeAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, next := watched(t, "[background]\nstorage = \"1GiB\"\n")
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		put(t, path, "[background]\nstorage = \"2GiB\"\n")
		if err := os.Chtimes(path, info.ModTime(), info.ModTime()); err != nil {
			t.Fatal(err)
		}
		if calls := next(); len(calls) != 1 || calls[0].prefs.Background.Storage != prefs.StorageOf(2<<30) {
			t.Errorf("told %v", calls)
		}
	})
}

func TestWatchDoesNotTellOfATouch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, next := watched(t, "")
		if err := os.Chtimes(path, time.Time{}, time.Now().Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if calls := next(); calls != nil {
				t.Errorf("told %v", calls)
			}
		}
		put(t, path, "[web]\naddress = \":1\"")
		if calls := next(); len(calls) != 1 || calls[0].prefs.Web.Address != ":1" {
			t.Errorf("told %v of the change after it", calls)
		}
	})
}

func TestWatchTellsWhyAFileCannotBeUsedAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path, next := watched(t, "")
		put(t, path, "[background]\nstorage = 20GiB\n")
		if calls := next(); len(calls) != 1 || calls[0].err == nil || !strings.Contains(calls[0].err.Error(), "line 2: storage = 20GiB") {
			t.Errorf("told %v", calls)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if calls := next(); len(calls) != 1 || !errors.Is(calls[0].err, fs.ErrNotExist) {
			t.Errorf("told %v", calls)
		}
		if calls := next(); calls != nil {
			t.Errorf("told again: %v", calls)
		}
		put(t, path, "[background]\nstorage = \"20GiB\"\n")
		if calls := next(); len(calls) != 1 || calls[0].err != nil || !calls[0].prefs.Background.Storage.IsSet() {
			t.Errorf("told %v", calls)
		}
	})
}

func TestWatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		path := filepath.Join(t.TempDir(), "ebb.toml")
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			prefs.Watch(ctx, path, time.Second, func(_ prefs.Preferences, err error) { t.Errorf("told %v", err) })
		}()
		synctest.Wait()
		stop()
		<-ended
	})
}
