package disk

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"go.etcd.io/bbolt"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// plantedHash spreads swarms over the directories as real info-hashes do.
func plantedHash(i int) (h swarm.InfoHash) {
	h[0], h[1] = byte(i), byte(i>>8)
	binary.BigEndian.PutUint32(h[16:], uint32(i))
	return h
}

// newPlanted is a world, on a disk of that size, whose store holds sparse fragments of 1 MiB, each in its own file and
// known to the index. The store itself makes the first of them, and what the index says of that one is copied for the
// others: so they need not be written, hashed and synced one by one. Values are 1..97.
func newPlanted(tb testing.TB, state string, swarms, each int, total int64, limits Limits) *world {
	tb.Helper()
	w := &world{state: state, total: total}
	dir := filepath.Join(state, "disk", "fragments")
	zeros := make([]byte, mib)
	w.open(tb)
	first, err := w.store.Create(fragstore.Key{Hash: plantedHash(0)}, mib, sha1.Sum(zeros))
	must(tb, err)
	_, err = first.WriteAt(zeros, 0)
	must(tb, err)
	must(tb, first.Commit())
	must(tb, w.store.Close())

	db, err := bbolt.Open(filepath.Join(state, "fragments.db"), 0o600, nil)
	must(tb, err)
	must(tb, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("fragments"))
		_, value := b.Cursor().First()
		value = bytes.Clone(value)
		for i := range swarms {
			h := plantedHash(i)
			in := filepath.Join(dir, h.String()[:2], h.String())
			if err := os.MkdirAll(in, 0o700); err != nil {
				return err
			}
			for index := range each {
				f, err := os.OpenFile(filepath.Join(in, strconv.Itoa(index)), os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					return err
				}
				if err := f.Truncate(mib); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
				if err := b.Put(binary.BigEndian.AppendUint32(bytes.Clone(h[:]), uint32(index)), value); err != nil {
					return err
				}
			}
		}
		return nil
	}))
	must(tb, db.Close())

	w.open(tb)
	if fragments, _ := w.store.Stats(); fragments != swarms*each {
		tb.Fatalf("%d fragments were planted, the store has %d", swarms*each, fragments)
	}
	for i := range swarms {
		w.store.SetValues(plantedHash(i), func(index uint32) float64 { return float64(1 + (i*each+int(index))%97) })
	}
	w.begin(limits)
	return w
}
