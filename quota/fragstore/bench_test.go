package fragstore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/anacrolix/torrent/metainfo"
	"go.etcd.io/bbolt"
)

// plant builds a cleanly stopped store of sparse fragments, without hashing or syncing each of them.
func plant(tb testing.TB, state string, swarms, each int, length int64) {
	tb.Helper()
	dir, path := filepath.Join(state, "fragments"), filepath.Join(state, "fragments.db")
	s, err := Open(dir, path, Options{Log: quiet})
	must(tb, err)
	must(tb, s.index.db.Update(func(tx *bbolt.Tx) error {
		for i := range swarms {
			h := plantedHash(i)
			if err := s.root.MkdirAll(swarmDir(h), 0o700); err != nil {
				return err
			}
			in, err := s.root.OpenRoot(swarmDir(h))
			if err != nil {
				return err
			}
			for index := range uint32(each) {
				f, err := in.OpenFile(indexName(index), os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					return err
				}
				if err := f.Truncate(length); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err := tx.Bucket(fragmentsBucket.name()).Put([]byte(fragmentKey(Key{h, index})), fragmentValue(uint32(length), 0)); err != nil {
					return err
				}
			}
			if err := in.Close(); err != nil {
				return err
			}
		}
		return nil
	}))
	must(tb, s.Close())
}

// plantedHash spreads swarms over the directories as real info-hashes do.
func plantedHash(i int) (h metainfo.Hash) {
	h[0], h[1] = byte(i), byte(i>>8)
	binary.BigEndian.PutUint32(h[16:], uint32(i))
	return h
}

// The budget: 10,000 fragments of 1 MiB gone within 1 s.
func BenchmarkDelete10000(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		state := b.TempDir()
		plant(b, state, 1000, 10, 1<<20)
		s := reopen(b, state)
		var keys []Key
		for f := range s.Fragments() {
			keys = append(keys, f.Key)
		}
		b.StartTimer()
		freed, err := s.Delete(keys...)
		b.StopTimer()
		must(b, err)
		if freed != 10000<<20 {
			b.Fatalf("freed %d bytes", freed)
		}
		must(b, s.Close())
		b.StartTimer()
	}
}

// The budgets: 100,000 fragments in 10,000 swarms open within 1 s after a clean stop, and take at most 24 MB.
func BenchmarkOpen100000(b *testing.B) {
	state := b.TempDir()
	plant(b, state, 10000, 10, 16<<10)
	var before, after runtime.MemStats
	for b.Loop() {
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&before)
		b.StartTimer()
		s := reopen(b, state)
		b.StopTimer()
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/1e6, "heap-MB")
		if n, _ := s.Stats(); n != 100000 {
			b.Fatalf("opened %d fragments", n)
		}
		must(b, s.Close())
		b.StartTimer()
	}
}

// The budget: 0.8 times as fast as writing, syncing and renaming the same files and nothing else.
func BenchmarkPut256KiB(b *testing.B) {
	const length = 256 << 10
	b.Run("Store", func(b *testing.B) {
		s := open(b, b.TempDir())
		p, sum := content(key("a", 0), length), sumOf(key("a", 0), length)
		b.SetBytes(length)
		for index := uint32(0); b.Loop(); index++ {
			w, err := s.Create(key("a", index), length, sum)
			must(b, err)
			for off := 0; off < length; off += 16 << 10 {
				_, err := w.WriteAt(p[off:off+16<<10], int64(off))
				must(b, err)
			}
			must(b, w.Commit())
		}
	})
	b.Run("Plain", func(b *testing.B) {
		dir := b.TempDir()
		p := content(key("a", 0), length)
		b.SetBytes(length)
		for index := uint32(0); b.Loop(); index++ {
			f, err := os.Create(filepath.Join(dir, "incoming"))
			must(b, err)
			for off := 0; off < length; off += 16 << 10 {
				_, err := f.Write(p[off : off+16<<10])
				must(b, err)
			}
			must(b, f.Sync())
			must(b, f.Close())
			must(b, os.Rename(f.Name(), filepath.Join(dir, indexName(index))))
		}
	})
}
