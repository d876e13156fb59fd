package fragstore

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"go.etcd.io/bbolt"
)

// A store with three fragments of a and one of b, each 50000 bytes, which has stopped cleanly.
func stopped(t *testing.T) (state string) {
	t.Helper()
	state = t.TempDir()
	s := reopen(t, state)
	for _, k := range []Key{key("a", 0), key("a", 1), key("a", 2), key("b", 0)} {
		must(t, put(s, k, 50000))
	}
	must(t, s.Close())
	return state
}

func fileOf(state string, k Key) string { return filepath.Join(state, "fragments", fragmentPath(k)) }

// flip changes one bit of a file without changing its length.
func flip(tb failer, path string) {
	tb.Helper()
	p, err := os.ReadFile(path)
	must(tb, err)
	p[len(p)/2] ^= 1
	must(tb, os.WriteFile(path, p, 0o600))
}

func TestEverythingIsThereAfterARestart(t *testing.T) {
	state := stopped(t)
	s := open(t, state)
	if fragments, swarms := s.Stats(); fragments != 4 || swarms != 2 {
		t.Errorf("Stats = %d, %d", fragments, swarms)
	}
	if got, want := s.Used(), 4*s.Charge(50000); got != want {
		t.Errorf("Used = %d, want %d", got, want)
	}
	must(t, s.Check())
}

func TestCleanStopNeedsNoSecondHash(t *testing.T) {
	state := stopped(t)
	// What is flipped behind the store's back is only seen when somebody hashes.
	flip(t, fileOf(state, key("a", 0)))
	s := open(t, state)
	got, err := read(s, key("a", 0), 50000)
	must(t, err)
	if bytes.Equal(got, content(key("a", 0), 50000)) {
		t.Error("the fragment is unchanged: this test shows nothing")
	}
}

func TestUncleanStopHashesBeforeServing(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	crash(t, s)
	flip(t, fileOf(state, key("a", 0)))

	s = open(t, state)
	if !s.Has(key("a", 0)) {
		t.Error("hashing was not put off to the first use")
	}
	if _, err := read(s, key("a", 0), 50000); !errors.Is(err, ErrDamaged) {
		t.Errorf("opening the damaged fragment: %v", err)
	}
	if s.Has(key("a", 0)) {
		t.Error("the damaged fragment is still held")
	}
	if _, err := os.Stat(fileOf(state, key("a", 0))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the damaged file: %v", err)
	}
	if _, err := read(s, key("a", 1), 50000); err != nil {
		t.Errorf("opening a good fragment: %v", err)
	}
	must(t, s.Check())
}

func TestDistrustOutlivesACleanStop(t *testing.T) {
	state := stopped(t)
	crash(t, reopen(t, state))
	flip(t, fileOf(state, key("a", 0)))
	s := reopen(t, state)
	_, err := read(s, key("a", 1), 50000)
	must(t, err)
	must(t, s.Close()) // clean, but a/0 has not been hashed since the crash

	flip(t, fileOf(state, key("a", 1)))
	s = open(t, state)
	if _, err := read(s, key("a", 0), 50000); !errors.Is(err, ErrDamaged) {
		t.Errorf("a fragment that nobody has hashed since the crash: %v", err)
	}
	if _, err := read(s, key("a", 1), 50000); err != nil {
		t.Errorf("a fragment that was hashed after the crash, and stopped cleanly since, is hashed again: %v", err)
	}
}

func TestIndexPutBackFromACopyIsNotTrusted(t *testing.T) {
	state := stopped(t)
	index := filepath.Join(state, "fragments.db")
	old, err := os.ReadFile(index)
	must(t, err)
	s := reopen(t, state)
	must(t, put(s, key("a", 9), 100))
	must(t, s.Close())
	must(t, os.WriteFile(index, old, 0o600))
	flip(t, fileOf(state, key("a", 0)))

	s = open(t, state)
	if s.Has(key("a", 9)) {
		t.Error("a fragment that the index does not know is held")
	}
	if _, err := read(s, key("a", 0), 50000); !errors.Is(err, ErrDamaged) {
		t.Errorf("the clean mark vouches for another index than the one it was written for: %v", err)
	}
}

func TestManyReadersShareOneHash(t *testing.T) {
	state := stopped(t)
	crash(t, reopen(t, state))
	flip(t, fileOf(state, key("a", 0)))
	s := open(t, state)
	var readers sync.WaitGroup
	for range 16 {
		readers.Go(func() {
			if _, err := read(s, key("a", 0), 50000); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotHeld) {
				t.Errorf("damaged fragment: %v", err)
			}
			if _, err := read(s, key("a", 1), 50000); err != nil {
				t.Errorf("good fragment: %v", err)
			}
		})
	}
	readers.Wait()
}

func TestDamageIsFoundWithoutHashingToo(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"missing":   func(t *testing.T, path string) { must(t, os.Remove(path)) },
		"too short": func(t *testing.T, path string) { must(t, os.Truncate(path, 49999)) },
		"too long":  func(t *testing.T, path string) { must(t, os.Truncate(path, 50001)) },
	} {
		t.Run(name+" while running", func(t *testing.T) {
			state := stopped(t)
			s := open(t, state)
			damage(t, fileOf(state, key("a", 1)))
			if _, err := read(s, key("a", 1), 50000); !errors.Is(err, ErrDamaged) {
				t.Errorf("opening it: %v", err)
			}
			if s.Has(key("a", 1)) || s.Used() != 3*s.Charge(50000) {
				t.Errorf("held: %v, used: %d", s.Has(key("a", 1)), s.Used())
			}
			must(t, s.Check())
		})
		t.Run(name+" while stopped", func(t *testing.T) {
			state := stopped(t)
			damage(t, fileOf(state, key("a", 1)))
			s := open(t, state)
			if _, err := read(s, key("a", 1), 50000); !errors.Is(err, ErrNotHeld) {
				t.Errorf("opening it: %v", err)
			}
			must(t, s.Check())
		})
	}
}

func TestStraysAndIncomingFilesGoAtOpen(t *testing.T) {
	state := stopped(t)
	strays := []string{
		fileOf(state, key("a", 7)),
		fileOf(state, key("z", 0)),
		filepath.Join(state, "fragments", incomingPath(key("a", 0))),
	}
	for _, path := range strays {
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, make([]byte, 50000), 0o600))
	}
	s := open(t, state)
	for _, path := range strays {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := os.Stat(filepath.Dir(strays[1])); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty directory of a stray: %v", err)
	}
	if got, want := s.Used(), 4*s.Charge(50000); got != want {
		t.Errorf("Used = %d, want %d", got, want)
	}
	must(t, s.Check())
}

func TestForeignFilesAreReportedAndLeftAlone(t *testing.T) {
	state := stopped(t)
	outside := t.TempDir()
	precious := filepath.Join(outside, "0")
	must(t, os.WriteFile(precious, []byte("precious"), 0o600))
	fragments := filepath.Join(state, "fragments")
	h := hashOf("linked")
	foreign := []string{
		filepath.Join(fragments, "holiday.jpg"),
		filepath.Join(fragments, "ab", "notes.txt"),
		filepath.Join(filepath.Dir(fileOf(state, key("a", 0))), "007"),
		filepath.Join(fragments, incomingDir, "something.part"),
	}
	for _, path := range foreign {
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte("mine"), 0o600))
	}
	// A link with a swarm's name, to a directory with a file that has a fragment's name.
	link := filepath.Join(fragments, swarmDir(h))
	must(t, os.MkdirAll(filepath.Dir(link), 0o700))
	must(t, os.Symlink(outside, link))

	var logged bytes.Buffer
	s, err := Open(fragments, filepath.Join(state, "fragments.db"), Options{Log: slog.New(slog.NewTextHandler(&logged, nil))})
	must(t, err)
	must(t, s.Check())
	if _, err := s.DeleteSwarm(hashOf("a")); err != nil {
		t.Error(err)
	}
	must(t, s.Close())
	for _, path := range append(foreign, precious, link) {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"holiday.jpg", "notes.txt", "007", "something.part", h.String()} {
		if !strings.Contains(logged.String(), name) {
			t.Errorf("%s is not reported", name)
		}
	}
}

func TestNothingOutsideIsReachedThroughLinks(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	outside := t.TempDir()
	precious := filepath.Join(outside, "0")
	must(t, os.WriteFile(precious, []byte("precious"), 0o600))

	// Between two operations somebody puts a link where a swarm's directory was.
	must(t, put(s, key("a", 0), 8))
	dir := filepath.Dir(fileOf(state, key("a", 0)))
	must(t, os.Rename(dir, dir+".aside"))
	must(t, os.Symlink(outside, dir))
	if r, err := s.Open(key("a", 0), [20]byte{}); err == nil {
		r.Close()
		t.Error("a file outside was opened")
	}
	if _, err := s.Delete(key("a", 0)); err == nil {
		t.Error("deleting through a link went well")
	}
	if err := put(s, key("a", 1), 8); err == nil {
		t.Error("a fragment was put behind a link")
	}
	if files, err := os.ReadDir(outside); err != nil || len(files) != 1 {
		t.Errorf("outside are now %v (%v)", files, err)
	}
	if got, err := os.ReadFile(precious); err != nil || string(got) != "precious" {
		t.Errorf("the file outside: %q, %v", got, err)
	}
	must(t, os.Remove(dir))
	must(t, os.Rename(dir+".aside", dir))
}

func TestDamagedIndexIsSetAside(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, path string){
		"garbage": func(t *testing.T, path string) {
			must(t, os.WriteFile(path, bytes.Repeat([]byte("no database "), 5000), 0o600))
		},
		"a few bytes": func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("x"), 0o600)) },
		"cut short":   func(t *testing.T, path string) { must(t, os.Truncate(path, 3*int64(os.Getpagesize()))) },
		"cut to half": func(t *testing.T, path string) {
			fi, err := os.Stat(path)
			must(t, err)
			must(t, os.Truncate(path, fi.Size()/2))
		},
		"pages overwritten": func(t *testing.T, path string) {
			p, err := os.ReadFile(path)
			must(t, err)
			for i := 2 * os.Getpagesize(); i < len(p); i++ {
				p[i] = 0xff
			}
			must(t, os.WriteFile(path, p, 0o600))
		},
		"another program's": func(t *testing.T, path string) {
			must(t, os.Remove(path))
			db, err := bbolt.Open(path, 0o600, nil)
			must(t, err)
			must(t, db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket(storeBucket.name())
				return err
			}))
			must(t, db.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := stopped(t)
			path := filepath.Join(state, "fragments.db")
			damage(t, path)
			s := open(t, state)
			if fragments, _ := s.Stats(); fragments != 0 || s.Used() != 0 {
				t.Errorf("%d fragments, %d bytes", fragments, s.Used())
			}
			if _, err := os.Stat(path + ".damaged"); err != nil {
				t.Error(err)
			}
			must(t, put(s, key("a", 0), 100))
			must(t, s.Check())
		})
	}
}

func TestNonsenseInTheIndexIsDropped(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	h := hashOf("a")
	must(t, s.index.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(fragmentsBucket.name())
		for k, v := range map[string][]byte{
			"short":                   valueOf(1, 0),
			fragmentKey(key("a", 50)): {1},
			fragmentKey(key("a", 51)): valueOf(0, 0),
			fragmentKey(key("a", 52)): valueOf(math.MaxUint32, 0),
			string(h[:]) + "too long": valueOf(1, 0),
		} {
			if err := b.Put([]byte(k), v); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, s.Close())
	s = open(t, state)
	if fragments, _ := s.Stats(); fragments != 4 {
		t.Errorf("%d fragments", fragments)
	}
	must(t, s.Check())
}

func TestIndexOfANewerFormatIsRefused(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	must(t, s.index.db.Update(func(tx *bbolt.Tx) error {
		return tx.Bucket(storeBucket.name()).Put([]byte("format"), []byte{indexFormat + 1})
	}))
	must(t, s.Close())
	_, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	if err == nil || !strings.Contains(err.Error(), "format") {
		t.Errorf("Open: %v", err)
	}
	if _, err := os.Stat(fileOf(state, key("a", 0))); err != nil {
		t.Errorf("a fragment of the newer store: %v", err)
	}
}

func TestCheckFindsEveryKindOfDisagreement(t *testing.T) {
	for name, spoil := range map[string]func(s *Store, state string) error{
		"file missing": func(_ *Store, state string) error { return os.Remove(fileOf(state, key("a", 0))) },
		"file cut":     func(_ *Store, state string) error { return os.Truncate(fileOf(state, key("a", 0)), 7) },
		"stray":        func(_ *Store, state string) error { return os.WriteFile(fileOf(state, key("a", 9)), nil, 0o600) },
		"incoming": func(_ *Store, state string) error {
			return os.WriteFile(filepath.Join(state, "fragments", incomingPath(key("a", 9))), nil, 0o600)
		},
		"used":          func(s *Store, _ string) error { s.used++; return nil },
		"index missing": func(s *Store, _ string) error { return s.index.putNow(fragmentsBucket, fragmentKey(key("a", 0)), nil) },
		"index stale": func(s *Store, _ string) error {
			return s.index.putNow(fragmentsBucket, fragmentKey(key("a", 9)), valueOf(1, 0))
		},
		"index length": func(s *Store, _ string) error {
			return s.index.putNow(fragmentsBucket, fragmentKey(key("a", 0)), valueOf(1, 0))
		},
		"index epoch": func(s *Store, _ string) error {
			return s.index.putNow(fragmentsBucket, fragmentKey(key("a", 0)), valueOf(50000, 7))
		},
		"index nonsense": func(s *Store, _ string) error { return s.index.putNow(fragmentsBucket, "nonsense", []byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			state := stopped(t)
			s := open(t, state)
			must(t, s.Check())
			must(t, spoil(s, state))
			if err := s.Check(); err == nil {
				t.Error("Check is content")
			}
		})
	}
}
