package fragstore

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// spoilt opens a store whose index was spoilt, and looks whether it does harm: it may forget fragments, or refuse to
// open in one line; it must not serve what is wrong, crash, or delete what is not its own. Its clean mark is still
// there.
func spoilt(t *testing.T, state, what string) {
	t.Helper()
	precious := filepath.Join(state, "precious")
	must(t, os.WriteFile(precious, []byte("precious"), 0o600))
	defer func() {
		if got, err := os.ReadFile(precious); err != nil || string(got) != "precious" {
			t.Errorf("%s: the file beside it: %q, %v", what, got, err)
		}
	}()
	s, err := Open(filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db"), Options{Log: quiet})
	if err != nil {
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %q", what, err)
		}
		return
	}
	defer func() { _ = s.Close() }() // the index may be beyond writing
	for f := range s.Fragments() {
		if got, err := read(s, f.Key, f.Length); err == nil && !bytes.Equal(got, content(f.Key, 50000)) {
			t.Errorf("%s: %s is served wrong", what, f.Key)
		}
	}
	if put(s, key("c", 0), 100) != nil || s.Sync() != nil {
		return
	}
	if err := s.Check(); err != nil {
		if _, mendErr := s.Mend(); mendErr != nil {
			t.Logf("%s: %v; %v", what, err, mendErr)
		} else if err := s.Check(); err != nil {
			t.Errorf("%s: after Mend: %v", what, err)
		}
	}
}

// copiedState is a copy of a stopped store: the tests of this file spoil many.
func copiedState(t *testing.T, parent, from string) (state string) {
	t.Helper()
	state, err := os.MkdirTemp(parent, "")
	must(t, err)
	must(t, os.CopyFS(state, os.DirFS(from)))
	return state
}

func TestIndexCutAnywhereDoesNoHarm(t *testing.T) {
	from, parent := stopped(t), memoryDir(t)
	index, err := os.ReadFile(filepath.Join(from, "fragments.db"))
	must(t, err)
	page := os.Getpagesize()
	lengths := []int{0, 1, 15, 16, 63, 64, 80, 100, len(index) - 1, len(index) - page}
	for at := page / 2; at < len(index) && at < 20*page; at += page / 2 {
		lengths = append(lengths, at)
	}
	for range 20 {
		lengths = append(lengths, rand.IntN(len(index)))
	}
	for _, length := range lengths {
		state := copiedState(t, parent, from)
		must(t, os.Truncate(filepath.Join(state, "fragments.db"), int64(length)))
		spoilt(t, state, fmt.Sprintf("cut to %d of %d bytes", length, len(index)))
		must(t, os.RemoveAll(state))
	}
}

func TestFlippedBytesInTheIndexDoNoHarm(t *testing.T) {
	from, parent := stopped(t), memoryDir(t)
	index, err := os.ReadFile(filepath.Join(from, "fragments.db"))
	must(t, err)
	used := 0 // the rest of the file was never written
	for i, b := range index {
		if b != 0 {
			used = i + 1
		}
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 150 {
		state := copiedState(t, parent, from)
		edited := bytes.Clone(index)
		for range 1 + r.IntN(30) {
			edited[r.IntN(used)] ^= byte(1 + r.IntN(255))
		}
		must(t, os.WriteFile(filepath.Join(state, "fragments.db"), edited, 0o600))
		spoilt(t, state, fmt.Sprintf("seed %d, round %d", seed, round))
		must(t, os.RemoveAll(state))
	}
}

func TestEditedEntriesOfTheIndexAreNeverServedWrong(t *testing.T) {
	from, parent := stopped(t), memoryDir(t)
	for range 50 {
		state := copiedState(t, parent, from)
		s := reopen(t, state)
		must(t, s.index.db.Update(func(tx *bbolt.Tx) error {
			for index := range uint32(4) {
				value := make([]byte, []int{shortValueLen, fragmentValueLen, rand.IntN(30)}[rand.IntN(3)])
				for i := range value {
					value[i] = byte(rand.Uint32())
				}
				if len(value) > 4 && rand.IntN(2) == 0 {
					copy(value, []byte{0, 0, 50000 >> 8, 50000 & 255})
				}
				if err := tx.Bucket(fragmentsBucket.name()).Put([]byte(fragmentKey(key("a", index))), value); err != nil {
					return err
				}
			}
			return nil
		}))
		crash(t, s)
		spoilt(t, state, "edited entries")
		s = reopen(t, state)
		must(t, s.Check())
		must(t, s.Close())
		must(t, os.RemoveAll(state))
	}
}

func TestSomethingElseInTheCleanMarksPlaceIsNoCleanStop(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, mark string){
		"a pipe": func(t *testing.T, mark string) { must(t, syscall.Mkfifo(mark, 0o600)) },
		"a link": func(t *testing.T, mark string) {
			must(t, os.WriteFile(mark+".copy", []byte(markText(1)), 0o600))
			must(t, os.Symlink(filepath.Base(mark)+".copy", mark))
		},
		"a long text": func(t *testing.T, mark string) { must(t, os.WriteFile(mark, make([]byte, 1<<20), 0o600)) },
		"nothing":     func(*testing.T, string) {},
	} {
		t.Run(name, func(t *testing.T) {
			state := stopped(t)
			mark := filepath.Join(state, markName("fragments.db"))
			must(t, os.Remove(mark))
			spoil(t, mark)
			flip(t, fileOf(state, key("a", 0)))
			s := open(t, state)
			if _, err := read(s, key("a", 0), 50000); err == nil {
				t.Error("a damaged fragment was served")
			}
			if _, err := os.Lstat(mark); err == nil {
				t.Error("it is still there")
			}
		})
	}
}

func TestPipeInAFragmentsPlaceDoesNotHangItsReader(t *testing.T) {
	state := stopped(t)
	s := open(t, state)
	for _, k := range []Key{key("a", 0), key("a", 1)} {
		must(t, os.Remove(fileOf(state, k)))
		must(t, syscall.Mkfifo(fileOf(state, k), 0o600))
	}
	if _, err := read(s, key("a", 0), 50000); err == nil {
		t.Error("a pipe was served")
	}
	if s.Has(key("a", 0)) {
		t.Error("it is still held")
	}
	mended, err := s.Mend()
	if err != nil || len(mended) != 1 || s.Has(key("a", 1)) {
		t.Errorf("Mend = %q, %v", mended, err)
	}
}

// What is left in an incoming file by who must not write there never becomes a fragment.
func TestIncomingFileThatSomebodyCutIsNoFragment(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	k := key("a", 0)
	w, err := s.Create(k, 50000, sumOf(k, 50000))
	must(t, err)
	_, err = w.WriteAt(content(k, 50000), 0)
	must(t, err)
	must(t, os.Truncate(filepath.Join(state, "fragments", incomingPath(k)), 40000))
	if err := w.Commit(); err == nil {
		t.Error("it was stored")
	}
	must(t, s.Check())
	if s.Used() != 0 {
		t.Errorf("Used = %d", s.Used())
	}
}

func TestFragmentThatCouldNotBeSyncedIsNotHeld(t *testing.T) {
	s := open(t, t.TempDir())
	whole := s.root
	s.root = faultyDirectory{whole, &faultyDisk{fault: fault{at: opSync, err: syscall.EIO}}}
	err := put(s, key("a", 0), 100)
	oneLine(t, err, "input/output error")
	if s.Has(key("a", 0)) || s.Used() != 0 {
		t.Errorf("held: %v, used: %d", s.Has(key("a", 0)), s.Used())
	}
	must(t, put(s, key("a", 0), 100))
	s.root = whole
	must(t, s.Check())
}

// TestAMountPointWithoutItsDiskCostsNothing: the fragments are not dropped from the index because their disk is not
// there yet, and are all held when it is.
func TestAMountPointWithoutItsDiskCostsNothing(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	for index := range uint32(3) {
		must(t, put(s, key("a", index), 5000))
	}
	must(t, s.Close())
	dir, elsewhere := filepath.Join(state, "fragments"), filepath.Join(state, "elsewhere")
	must(t, os.Rename(dir, elsewhere))
	for range 2 { // and trying does not help
		_, err := Open(dir, filepath.Join(state, "fragments.db"), Options{Log: quiet})
		if err == nil || !strings.Contains(err.Error(), "mount its disk") || strings.Contains(err.Error(), "\n") {
			t.Fatalf("opened without the fragments: %v", err)
		}
	}
	must(t, os.RemoveAll(dir))
	must(t, os.Rename(elsewhere, dir))
	s = open(t, state)
	if got := s.Held(key("a", 0).Hash); len(got) != 3 {
		t.Errorf("held: %v", got)
	}
}
