package fragstore

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// TestFullIndexIsFarFromWhatCanBeMapped fills an index to its bounds as a process with 32 bits sees it. It must stay
// below the half of what bbolt maps at most on MIPS, for it grows its map by doubling it.
func TestFullIndexIsFarFromWhatCanBeMapped(t *testing.T) {
	const mappedOnMIPS = 1 << 30
	state := t.TempDir()
	path := filepath.Join(state, "fragments.db")
	s, err := Open(filepath.Join(state, "fragments"), path, Options{Log: quiet})
	must(t, err)
	const swarms, batch = 1 << 10, 1 << 14
	for first := 0; first < MostFragments; first += batch { // as they come in: here and there
		must(t, s.index.db.Update(func(tx *bbolt.Tx) error {
			for n := first; n < first+batch; n++ {
				key := Key{plantedHash(n % swarms), uint32(n / swarms)}
				if err := tx.Bucket(fragmentsBucket.name()).Put([]byte(fragmentKey(key)), valueOf(16<<10, 0)); err != nil {
					return err
				}
			}
			return nil
		}))
	}
	info := make([]byte, 96<<10)
	for n := range MostMetadata / len(info) {
		binary.BigEndian.PutUint32(info, uint32(n))
		h := plantedHash(n)
		must(t, s.index.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metadataBucket.name()).Put(h[:], info) }))
	}
	fi, err := os.Stat(path)
	must(t, err)
	t.Logf("%d fragments and %d MiB of metadata take %d MiB", MostFragments, MostMetadata>>20, fi.Size()>>20)
	if fi.Size() > mappedOnMIPS/2 {
		t.Errorf("a full index has %d MiB", fi.Size()>>20)
	}
	must(t, s.Close())
}
