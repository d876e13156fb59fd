package fragstore

import (
	"bytes"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"
)

func TestStoredFragmentIsServedUnchanged(t *testing.T) {
	s := open(t, t.TempDir())
	k := key("a", 17)
	for _, length := range []int64{1, 16 << 10, 256<<10 + 5} {
		must(t, put(s, k, length))
		got, err := read(s, k, length)
		must(t, err)
		if !bytes.Equal(got, content(k, length)) {
			t.Errorf("fragment of %d bytes came back changed", length)
		}
		if _, err := s.Delete(k); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReaderReadsAnywhereAndThroughItsFile(t *testing.T) {
	s := open(t, t.TempDir())
	k, length := key("a", 0), int64(40000)
	must(t, put(s, k, length))
	r, err := s.Open(k, sumOf(k, length))
	must(t, err)
	defer r.Close()
	got := make([]byte, 100)
	if _, err := r.ReadAt(got, 20000); err != nil || !bytes.Equal(got, content(k, length)[20000:20100]) {
		t.Errorf("ReadAt: %v, right content: %v", err, bytes.Equal(got, content(k, length)[20000:20100]))
	}
	if fi, err := r.File().Stat(); err != nil || fi.Size() != length {
		t.Errorf("File().Stat() = %v, %v", fi, err)
	}
}

func TestReaderOutlivesDeleteAndClose(t *testing.T) {
	s := reopen(t, t.TempDir())
	k, length := key("a", 0), int64(40000)
	must(t, put(s, k, length))
	r, err := s.Open(k, sumOf(k, length))
	must(t, err)
	defer r.Close()
	if _, err := s.Delete(k); err != nil {
		t.Fatal(err)
	}
	must(t, s.Close())
	got := make([]byte, length)
	if _, err := r.ReadAt(got, 0); err != nil || !bytes.Equal(got, content(k, length)) {
		t.Errorf("reading after the fragment was deleted: %v", err)
	}
}

func TestHeldListsASwarmInOrder(t *testing.T) {
	s := open(t, t.TempDir())
	for _, index := range []uint32{9, 0, math.MaxUint32, 4} {
		must(t, put(s, key("a", index), 100))
	}
	must(t, put(s, key("b", 1), 100))
	if got := s.Held(hashOf("a")); !slices.Equal(got, []uint32{0, 4, 9, math.MaxUint32}) {
		t.Errorf("Held = %v", got)
	}
	if got := s.Count(hashOf("a")); got != 4 {
		t.Errorf("Count = %d", got)
	}
	if fragments, swarms := s.Stats(); fragments != 5 || swarms != 2 {
		t.Errorf("Stats = %d, %d", fragments, swarms)
	}
	if s.Has(key("b", 0)) || !s.Has(key("b", 1)) || s.Held(hashOf("c")) != nil || s.Count(hashOf("c")) != 0 {
		t.Error("Has, Held or Count of what is not there")
	}
}

func TestUsedCountsWholeBlocks(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	must(t, put(s, key("a", 0), 1))
	must(t, put(s, key("a", 1), s.block+1))
	if got, want := s.Used(), 3*s.block; got != want {
		t.Errorf("Used = %d, want %d", got, want)
	}
	if got := onDisk(t, filepath.Join(state, "fragments")); got > s.Used() {
		t.Errorf("the files take %d bytes, more than the %d counted", got, s.Used())
	}
}

func TestDeleteFreesWhatItSays(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	for index := range uint32(10) {
		must(t, put(s, key("a", index), 50000))
	}
	before := s.Used()
	freed, err := s.Delete(key("a", 3), key("a", 3), key("a", 4), key("a", 99), key("z", 0))
	must(t, err)
	if freed != 2*before/10 || s.Used() != before-freed {
		t.Errorf("freed %d of %d, then %d are used", freed, before, s.Used())
	}
	if _, err := s.Open(key("a", 3), sumOf(key("a", 3), 50000)); !errors.Is(err, ErrNotHeld) {
		t.Errorf("opening a deleted fragment: %v", err)
	}
	must(t, s.Check())
}

func TestEmptyDirectoriesGoWithTheLastFragment(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	must(t, put(s, key("a", 0), 100))
	must(t, put(s, key("a", 1), 100))
	prefix := filepath.Join(state, "fragments", prefixDir(hashOf("a")))
	if _, err := s.Delete(key("a", 0)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(prefix); err != nil {
		t.Errorf("with one fragment left: %v", err)
	}
	if _, err := s.Delete(key("a", 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(prefix); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("with no fragment left: %v", err)
	}
}

func TestDeleteSwarmGivesUpWhatIsBeingReceived(t *testing.T) {
	s := open(t, t.TempDir())
	must(t, put(s, key("a", 0), 100))
	must(t, put(s, key("b", 0), 100))
	w, err := s.Create(key("a", 1), 100, sumOf(key("a", 1), 100))
	must(t, err)
	if _, err := s.DeleteSwarm(hashOf("a")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.WriteAt(content(key("a", 1), 100), 0); !errors.Is(err, ErrAborted) {
		t.Errorf("writing after the swarm was deleted: %v", err)
	}
	if err := w.Commit(); !errors.Is(err, ErrAborted) {
		t.Errorf("committing after the swarm was deleted: %v", err)
	}
	if s.Count(hashOf("a")) != 0 || s.Count(hashOf("b")) != 1 || s.Used() != s.block {
		t.Errorf("left: %d of a, %d of b, %d bytes", s.Count(hashOf("a")), s.Count(hashOf("b")), s.Used())
	}
	must(t, s.Check())
}

func TestAFragmentThatCannotBeDeletedStaysHeldAndCounted(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	k := key("a", 0)
	must(t, put(s, k, 100))
	// A directory that is not empty, in the place of the file, cannot be unlinked by anybody, root included.
	path := filepath.Join(state, "fragments", fragmentPath(k))
	must(t, os.Rename(path, path+".aside"))
	must(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
	used := s.Used()
	freed, err := s.Delete(k)
	if err == nil || freed != 0 || !s.Has(k) || s.Used() != used {
		t.Errorf("Delete = %d, %v; still held: %v; used %d of %d", freed, err, s.Has(k), s.Used(), used)
	}
	must(t, os.RemoveAll(path))
	must(t, os.Rename(path+".aside", path))
	if freed, err := s.Delete(k); err != nil || freed != used {
		t.Errorf("the second Delete = %d, %v", freed, err)
	}
}

func TestValuesAndServingAreRemembered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		k := key("a", 1)
		must(t, put(s, key("a", 0), 100))
		w, err := s.Create(k, 100, sumOf(k, 100))
		must(t, err)
		w.SetValue(7)
		_, err = w.WriteAt(content(k, 100), 0)
		must(t, err)
		must(t, w.Commit())
		s.Served(k, 60)
		s.Served(k, 40)
		s.Served(key("a", 2), 1)
		want := Fragment{Key: k, Bytes: s.block, Length: 100, Value: 7, Served: 100, LastServed: time.Now()}
		for f := range s.Fragments() {
			if f.Key == k && (f.Value != want.Value || f.Served != 100 || !f.LastServed.Equal(want.LastServed) || f.Bytes != want.Bytes || f.Length != 100) {
				t.Errorf("got %+v, want %+v", f, want)
			}
			if f.Key != k && (f.Value != 0 || f.Served != 0 || !f.LastServed.IsZero()) {
				t.Errorf("untouched fragment is %+v", f)
			}
		}
		s.SetValues(k.Hash, func(index uint32) float64 {
			if index == 0 {
				return math.NaN()
			}
			return float64(s.Count(k.Hash)) // the function may use the store
		})
		for f := range s.Fragments() {
			if want := map[uint32]float64{0: 0, 1: 2}[f.Index]; f.Value != want {
				t.Errorf("value of %d is %v, want %v", f.Index, f.Value, want)
			}
		}
	})
}

func TestServingWritesNothingToTheIndex(t *testing.T) {
	s := open(t, t.TempDir())
	k := key("a", 0)
	must(t, put(s, k, 50000))
	must(t, s.Sync())
	before, err := s.index.txid()
	must(t, err)
	for range 100 {
		_, err := read(s, k, 50000)
		must(t, err)
		s.Served(k, 50000)
	}
	must(t, s.Sync())
	if after, err := s.index.txid(); err != nil || after != before {
		t.Errorf("the index went from transaction %d to %d (%v)", before, after, err)
	}
}

func TestIndexHearsOfManyChangesInOneTransactionWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		before, err := s.index.txid()
		must(t, err)
		for index := range uint32(50) {
			must(t, put(s, key("a", index), 100))
		}
		synctest.Wait()
		if now, err := s.index.txid(); err != nil || now != before {
			t.Errorf("before the delay: transaction %d, was %d (%v)", now, before, err)
		}
		<-time.After(indexDelay + time.Millisecond)
		synctest.Wait()
		if now, err := s.index.txid(); err != nil || now != before+1 {
			t.Errorf("after the delay: transaction %d, was %d (%v)", now, before, err)
		}
	})
}

func TestIndexIsWrittenEarlyWhenMuchWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, t.TempDir())
		began := time.Now()
		for i := range indexBatch {
			must(t, s.PutSwarm(plantedHash(i), []byte("record")))
		}
		synctest.Wait()
		s.index.mu.Lock()
		defer s.index.mu.Unlock()
		if n := len(s.index.waiting); n != 0 || time.Since(began) != 0 {
			t.Errorf("%d changes still wait after %v", n, time.Since(began))
		}
	})
}

func TestClosedStoreRefusesWorkAndForgetsNothing(t *testing.T) {
	state := t.TempDir()
	s := reopen(t, state)
	must(t, put(s, key("a", 0), 100))
	w, err := s.Create(key("a", 1), 100, sumOf(key("a", 1), 100))
	must(t, err)
	must(t, s.Close())
	must(t, s.Close())
	_, createErr := s.Create(key("a", 2), 100, [20]byte{})
	_, openErr := s.Open(key("a", 0), sumOf(key("a", 0), 100))
	_, deleteErr := s.Delete(key("a", 0))
	_, deleteSwarmErr := s.DeleteSwarm(hashOf("a"))
	for _, err := range []error{createErr, openErr, deleteErr, deleteSwarmErr, s.Sync(), s.Check(), s.PutSwarm(hashOf("a"), []byte{1}), s.PutMeta("b", "k", []byte{1})} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	}
	if _, err := w.WriteAt([]byte{1}, 0); !errors.Is(err, ErrAborted) {
		t.Errorf("writing after Close: %v", err)
	}
	if _, held := s.Swarm(hashOf("a")); held {
		t.Error("a closed store has a record")
	}
	s = open(t, state)
	if !s.Has(key("a", 0)) || s.Has(key("a", 1)) {
		t.Error("the complete fragment is lost, or the incomplete one is held")
	}
	must(t, s.Check())
}

func TestConcurrentUseKeepsEverythingInAgreement(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := range 40 {
				k := key(string(rune('a'+worker%3)), uint32(i%6))
				switch err := put(s, k, int64(1000*(i+1))); {
				case err == nil, errors.Is(err, ErrHeld), errors.Is(err, ErrBusy), errors.Is(err, ErrAborted):
				default:
					t.Errorf("put: %v", err)
				}
				switch i % 4 {
				case 0:
					if _, err := s.Delete(k); err != nil {
						t.Errorf("Delete: %v", err)
					}
				case 1:
					for f := range s.Fragments() {
						s.Served(f.Key, 1)
					}
				case 2:
					if r, err := s.Open(k, [20]byte{}); err == nil {
						r.Close()
					} else if !errors.Is(err, ErrNotHeld) {
						t.Errorf("Open: %v", err)
					}
				}
				if worker == 7 && i%10 == 9 {
					if _, err := s.DeleteSwarm(k.Hash); err != nil {
						t.Errorf("DeleteSwarm: %v", err)
					}
				}
			}
		})
	}
	workers.Wait()
	must(t, s.Check())
	if charged, unwritten := s.InFlight(); charged != 0 || unwritten != 0 {
		t.Errorf("InFlight = %d, %d with nobody writing", charged, unwritten)
	}
	if got := onDisk(t, filepath.Join(state, "fragments")); got > s.Used() {
		t.Errorf("the files take %d bytes, more than the %d counted", got, s.Used())
	}
}

func TestSwarmRecordsMetadataAndMetaSurvive(t *testing.T) {
	state := t.TempDir()
	s := reopen(t, state)
	a, b := hashOf("a"), hashOf("b")
	must(t, s.PutSwarm(a, []byte("first")))
	must(t, s.PutSwarm(a, []byte("second")))
	must(t, s.PutSwarm(b, []byte{}))
	must(t, s.PutMetadata(a, []byte("info of a")))
	must(t, s.PutMetadata(b, bytes.Repeat([]byte("x"), 100000)))
	must(t, s.PutMeta("veto", "one", []byte("1")))
	must(t, s.PutMeta("veto", "two", []byte("2")))
	must(t, s.PutMeta("vet", "o", []byte("not a veto")))
	must(t, s.DeleteMeta("veto", "two"))

	verify := func(s *Store) {
		t.Helper()
		if got, ok := s.Swarm(a); !ok || string(got) != "second" {
			t.Errorf("record of a: %q, %v", got, ok)
		}
		if got, ok := s.Swarm(b); !ok || len(got) != 0 {
			t.Errorf("record of b: %q, %v", got, ok)
		}
		if got, ok := s.Metadata(b); !ok || len(got) != 100000 {
			t.Errorf("metadata of b: %d bytes, %v", len(got), ok)
		}
		if got := slices.Collect(s.Swarms()); len(got) != 2 || !slices.Contains(got, a) || !slices.Contains(got, b) {
			t.Errorf("swarms: %v", got)
		}
		if got, ok := s.Meta("veto", "one"); !ok || string(got) != "1" {
			t.Errorf("meta: %q, %v", got, ok)
		}
		if got := s.MetaKeys("veto"); !slices.Equal(got, []string{"one"}) {
			t.Errorf("meta keys: %v", got)
		}
	}
	verify(s)
	must(t, s.Close())
	s = open(t, state)
	verify(s)

	must(t, s.DeleteSwarmRecord(a))
	if _, ok := s.Swarm(a); ok {
		t.Error("a deleted record is still there")
	}
	if _, ok := s.Metadata(a); ok {
		t.Error("the metadata of a deleted record is still there")
	}
	if got := slices.Collect(s.Swarms()); !slices.Equal(got, []swarm.InfoHash{b}) {
		t.Errorf("swarms after deleting a: %v", got)
	}
}

func TestWhatWasPutIsSeenAtOnceAlsoWhileItIsWritten(t *testing.T) {
	s := open(t, t.TempDir())
	stop, stopped := make(chan struct{}), make(chan error)
	go func() {
		for {
			select {
			case <-stop:
				close(stopped)
				return
			default:
			}
			if err := s.Sync(); err != nil {
				stopped <- err
				return
			}
		}
	}()
	for i := range 3000 {
		h := plantedHash(i % 7)
		must(t, s.PutSwarm(h, []byte{byte(i)}))
		if got, ok := s.Swarm(h); !ok || got[0] != byte(i) {
			t.Fatalf("the record just put is %v, %v", got, ok)
		}
		if i >= 7 && len(slices.Collect(s.Swarms())) != 7 {
			t.Fatal("a record is missing")
		}
	}
	close(stop)
	must(t, <-stopped)
}

func TestRecordsAreCopies(t *testing.T) {
	s := open(t, t.TempDir())
	record := []byte("mine")
	must(t, s.PutSwarm(hashOf("a"), record))
	record[0] = 'x'
	got, _ := s.Swarm(hashOf("a"))
	got[1] = 'x'
	if again, _ := s.Swarm(hashOf("a")); string(again) != "mine" {
		t.Errorf("the record became %q", again)
	}
}

func TestImpossibleRecordsAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for name, err := range map[string]error{
		"too long":         s.PutMetadata(hashOf("a"), make([]byte, MaxRecord+1)),
		"none":             s.PutSwarm(hashOf("a"), nil),
		"no bucket":        s.PutMeta("", "k", []byte{1}),
		"NUL in bucket":    s.PutMeta("a\x00b", "k", []byte{1}),
		"long key":         s.PutMeta("a", string(make([]byte, 2000)), []byte{1}),
		"delete no bucket": s.DeleteMeta("", "k"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, ok := s.Meta("", "k"); ok || s.MetaKeys("") != nil {
		t.Error("a bucket without a name has something")
	}
}
