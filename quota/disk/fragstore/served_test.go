package fragstore

import (
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"go.etcd.io/bbolt"
)

// find returns what Fragments says of a fragment.
func find(tb testing.TB, s *Store, k Key) Fragment {
	tb.Helper()
	for f := range s.Fragments() {
		if f.Key == k {
			return f
		}
	}
	tb.Fatalf("%s is not held", k)
	return Fragment{}
}

func TestEntriesStaySmall(t *testing.T) {
	if size := unsafe.Sizeof(entry{}); size != 40 {
		t.Errorf("an entry has %d bytes", size)
	}
}

func TestServingSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state, k := t.TempDir(), key("a", 0)
		s := reopen(t, state)
		began := time.Now()
		must(t, put(s, k, 100))
		must(t, put(s, key("a", 1), 100))
		<-time.After(3 * time.Second)
		s.Served(k, 60)
		<-time.After(4 * time.Second)
		s.Served(k, 7)
		must(t, s.Close())
		<-time.After(time.Hour)

		s = open(t, state)
		if f := find(t, s, k); f.Served != 67 || !f.Stored.Equal(began) || !f.LastServed.Equal(began.Add(7*time.Second)) {
			t.Errorf("after a restart: %+v", f)
		}
		if f := find(t, s, key("a", 1)); f.Served != 0 || !f.LastServed.IsZero() {
			t.Errorf("what was not served: %+v", f)
		}
		must(t, s.Check())
	})
}

func TestServingIsToldToTheIndexOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := t.TempDir()
		s := reopen(t, state)
		for index := range uint32(3) {
			must(t, put(s, key("a", index), 100))
		}
		must(t, s.Sync())
		before, err := s.index.txid()
		must(t, err)
		for range 3599 {
			s.Served(key("a", 1), 1)
			<-time.After(time.Second)
		}
		synctest.Wait()
		if now, err := s.index.txid(); err != nil || now != before {
			t.Errorf("within the hour: transaction %d, was %d (%v)", now, before, err)
		}
		<-time.After(2*indexDelay + time.Second)
		synctest.Wait()
		if now, err := s.index.txid(); err != nil || now != before+1 {
			t.Errorf("after the hour: transaction %d, was %d (%v)", now, before, err)
		}
		<-time.After(5 * time.Hour)
		synctest.Wait()
		if now, err := s.index.txid(); err != nil || now != before+1 {
			t.Errorf("with nothing served since: transaction %d, was %d (%v)", now, before, err)
		}
		crash(t, s)
		s = open(t, state)
		if f := find(t, s, key("a", 1)); f.Served != 3599 {
			t.Errorf("after a crash: %+v", f)
		}
	})
}

func TestOnlySoMuchIsToldToTheIndexAtOnce(t *testing.T) {
	state := memoryDir(t)
	plant(t, state, 10, servedBatch/10+1, 1)
	s := reopen(t, state)
	for f := range s.Fragments() {
		s.Served(f.Key, 1)
	}
	s.settle()
	s.index.mu.Lock()
	if n := len(s.index.waiting); n != servedBatch {
		t.Errorf("%d changes wait", n)
	}
	s.index.mu.Unlock()
	s.settle() // the rest
	must(t, s.Sync())
	crash(t, s)
	s = open(t, state)
	for f := range s.Fragments() {
		if f.Served != 1 {
			t.Fatalf("%+v", f)
		}
	}
}

func TestClockThatJumpedBackMakesNoFragmentImmortalOrFirstToGo(t *testing.T) {
	state, k := t.TempDir(), key("a", 0)
	s := reopen(t, state) // in this year
	must(t, put(s, k, 100))
	s.Served(k, 1)
	right := find(t, s, k)
	must(t, s.Close())

	synctest.Test(t, func(t *testing.T) { // in the year 2000
		s := reopen(t, state)
		if f := find(t, s, k); !f.Stored.Equal(time.Now()) || !f.LastServed.Equal(time.Now()) {
			t.Errorf("times in the future are %+v", f)
		}
		s.Served(k, 1)
		must(t, s.Check())
		must(t, s.Close())
	})
	s = reopen(t, state) // the clock is right again before it could do harm
	if f := find(t, s, k); !f.Stored.Equal(right.Stored) || !f.LastServed.Equal(right.LastServed) || f.Served != 2 {
		t.Errorf("%+v became %+v", right, f)
	}
	must(t, s.Close())

	var settled time.Time
	synctest.Test(t, func(t *testing.T) { // in the year 2000, for good
		s := reopen(t, state)
		<-time.After(servedEvery + time.Second)
		settled = time.Now()
		<-time.After(time.Hour)
		if f := find(t, s, k); f.LastServed.After(settled) || f.Stored.After(settled) {
			t.Errorf("after two hours it is still as if it had been served just now: %+v", f)
		}
		must(t, s.Check())
		must(t, s.Close())
	})
	s = open(t, state)
	if f := find(t, s, k); f.LastServed.After(settled) || f.LastServed.IsZero() {
		t.Errorf("what was settled is lost: %+v", f)
	}
}

func TestIndexOfTheFirstFormatIsReadAndBroughtUpToDate(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	must(t, s.index.db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(fragmentsBucket.name())
		for _, k := range []Key{key("a", 0), key("a", 1), key("a", 2), key("b", 0)} {
			if err := b.Put([]byte(fragmentKey(k)), valueOf(50000, 0)[:shortValueLen]); err != nil {
				return err
			}
		}
		return tx.Bucket(storeBucket.name()).Put([]byte("format"), []byte{oldestFormat})
	}))
	must(t, s.Close())
	old, future := time.Unix(1.5e9, 0), time.Now().Add(1000*time.Hour)
	must(t, os.Chtimes(fileOf(state, key("a", 0)), old, old))
	must(t, os.Chtimes(fileOf(state, key("b", 0)), future, future))

	for _, when := range []string{"at first", "when it is up to date"} {
		flip(t, fileOf(state, key("a", 2))) // a hash would find it
		must(t, os.Chtimes(fileOf(state, key("a", 0)), old, old))
		s = reopen(t, state)
		if fragments, _ := s.Stats(); fragments != 4 {
			t.Fatalf("%s: %d fragments", when, fragments)
		}
		if f := find(t, s, key("a", 0)); !f.Stored.Equal(old) || !f.LastServed.IsZero() || f.Served != 0 {
			t.Errorf("%s: %+v", when, f)
		}
		if f := find(t, s, key("b", 0)); f.Stored.After(time.Now()) {
			t.Errorf("%s: stored in the future: %+v", when, f)
		}
		if _, err := read(s, key("a", 2), 50000); err != nil {
			t.Errorf("%s: the epochs are lost: %v", when, err)
		}
		must(t, s.Check())
		must(t, s.Close())
		old = old.Truncate(time.Second)
	}
	must(t, os.Chtimes(fileOf(state, key("a", 0)), future, future)) // the index knows now
	s = open(t, state)
	if f := find(t, s, key("a", 0)); !f.Stored.Equal(old) {
		t.Errorf("stored: %v", f.Stored)
	}
	must(t, s.index.db.View(func(tx *bbolt.Tx) error {
		if format := tx.Bucket(storeBucket.name()).Get([]byte("format")); len(format) != 1 || format[0] != indexFormat {
			t.Errorf("the format is %v", format)
		}
		return nil
	}))
}

func TestEditedServingIsBounded(t *testing.T) {
	state := stopped(t)
	s := reopen(t, state)
	value := fragmentValue(&entry{length: 50000, state: verified, stored: 1<<32 - 1, lastServed: 1<<32 - 1, served: -1}, 0)
	must(t, s.index.putNow(fragmentsBucket, fragmentKey(key("a", 0)), value))
	crash(t, s)
	s = open(t, state)
	for range 3 {
		s.Served(key("a", 0), 1<<62)
		if f := find(t, s, key("a", 0)); f.Served < 1<<60 || f.LastServed.After(time.Now()) || f.Stored.After(time.Now()) {
			t.Errorf("%+v", f)
		}
	}
}

func TestWrittenCountsBlocksAndPages(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	before := s.Written()
	w, err := s.Create(key("a", 0), 100000, sumOf(key("a", 0), 100000))
	must(t, err)
	if got := s.Written() - before; got != 0 {
		t.Errorf("space that was only set aside counts as %d bytes written", got)
	}
	for range 2 { // flash wears whether or not the bytes are new
		_, err = w.WriteAt(content(key("a", 0), 100000), 0)
		must(t, err)
	}
	if got := s.Written() - before; got != 200000 {
		t.Errorf("200000 bytes count as %d", got)
	}
	must(t, w.Commit())
	before = s.Written()
	must(t, s.Sync())
	page := int64(os.Getpagesize())
	if got := s.Written() - before; got < 3*page || got > 20*page {
		t.Errorf("a small change of the index counts as %d bytes", got)
	}
	before = s.Written()
	for range 3 {
		_, err := read(s, key("a", 0), 100000)
		must(t, err)
		s.Served(key("a", 0), 100000)
	}
	must(t, s.Sync())
	if got := s.Written() - before; got != 0 {
		t.Errorf("serving counts as %d bytes written", got)
	}
}

func TestLostDirectoryIsNoticed(t *testing.T) {
	state := t.TempDir()
	s := open(t, state)
	dir := filepath.Join(state, "fragments")
	must(t, s.Lost())
	must(t, os.Rename(dir, dir+".aside"))
	oneLine(t, s.Lost(), dir, "has gone", "mount it")
	must(t, os.Mkdir(dir, 0o700))
	oneLine(t, s.Lost(), dir, "another directory", "mount it")
	must(t, os.Remove(dir))
	must(t, os.Rename(dir+".aside", dir))
	must(t, s.Lost())
}
