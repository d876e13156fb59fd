package fragstore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"ebb/agent/swarm"

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
				if err := f.plain().Truncate(length); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err := tx.Bucket(fragmentsBucket.name()).Put([]byte(fragmentKey(Key{h, index})), valueOf(uint32(length), 0)); err != nil {
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
func plantedHash(i int) (h swarm.InfoHash) {
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

// The budget: 100,000 fragments in 10,000 swarms open within 1 s after a clean stop.
func BenchmarkOpen100000Clean(b *testing.B) {
	benchmarkOpen(b, func(string) {})
}

// The budget: within 5 s after an unclean one; hashing is put off to the first use.
func BenchmarkOpen100000Unclean(b *testing.B) {
	benchmarkOpen(b, func(state string) {
		must(b, os.Remove(filepath.Join(state, markName("fragments.db"))))
	})
}

func benchmarkOpen(b *testing.B, before func(state string)) {
	state := b.TempDir()
	plant(b, state, 10000, 10, 16<<10)
	for b.Loop() {
		b.StopTimer()
		before(state)
		b.StartTimer()
		s := reopen(b, state)
		b.StopTimer()
		if n, swarms := s.Stats(); n != 100000 || swarms != 10000 {
			b.Fatalf("opened %d fragments of %d swarms", n, swarms)
		}
		must(b, s.Close())
		b.StartTimer()
	}
}

// The budget: 0.8 times as fast as writing, syncing and renaming the same files and nothing else; also when eight do it
// at a time.
func BenchmarkPut256KiB(b *testing.B) {
	const length, writers = 256 << 10, 8
	p, sum := content(key("a", 0), length), sumOf(key("a", 0), length)
	store := func(b *testing.B) func(index uint32) {
		s := open(b, b.TempDir())
		return func(index uint32) {
			w, err := s.Create(key("a", index), length, sum)
			must(b, err)
			for off := 0; off < length; off += 16 << 10 {
				_, err := w.WriteAt(p[off:off+16<<10], int64(off))
				must(b, err)
			}
			must(b, w.Commit())
		}
	}
	plain := func(b *testing.B) func(index uint32) {
		dir := b.TempDir()
		return func(index uint32) {
			name := filepath.Join(dir, indexName(index))
			f, err := os.Create(name + ".incoming")
			must(b, err)
			for off := 0; off < length; off += 16 << 10 {
				_, err := f.Write(p[off : off+16<<10])
				must(b, err)
			}
			must(b, f.Sync())
			must(b, f.Close())
			must(b, os.Rename(f.Name(), name))
		}
	}
	one := func(b *testing.B, put func(index uint32)) {
		b.SetBytes(length)
		for index := uint32(0); b.Loop(); index++ {
			put(index)
		}
	}
	many := func(b *testing.B, put func(index uint32)) {
		b.SetBytes(length)
		b.SetParallelism((writers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
		var next atomic.Uint32
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				put(next.Add(1))
			}
		})
	}
	b.Run("Store", func(b *testing.B) { one(b, store(b)) })
	b.Run("Plain", func(b *testing.B) { one(b, plain(b)) })
	b.Run("Store8", func(b *testing.B) { many(b, store(b)) })
	b.Run("Plain8", func(b *testing.B) { many(b, plain(b)) })
}
