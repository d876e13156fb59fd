package foreground

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// errInUse says that another process has opened the database.
var errInUse = errors.New("it is in use by another process")

// forgetMarks makes rain hash the files of incomplete torrents when it next starts them, by deleting what it has saved
// about the pieces that it holds. It returns those torrents. rain must not be running. The names of buckets and keys
// are those of rain v2.3.1; where they are not found, nothing is changed, and rain goes on from the marks that it has,
// which are never ahead of the files.
func forgetMarks(database string) (map[swarm.InfoHash]bool, error) {
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	db, err := bbolt.Open(database, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, errInUse
	}
	if err != nil {
		return nil, err
	}
	forgotten := make(map[swarm.InfoHash]bool)
	err = db.Update(func(tx *bbolt.Tx) error {
		torrents := tx.Bucket([]byte("torrents"))
		if torrents == nil {
			return nil
		}
		return torrents.ForEachBucket(func(id []byte) error {
			t := torrents.Bucket(id)
			info, err := peerwire.ParseInfo(t.Get([]byte("info")))
			if err != nil {
				return nil // a magnet link without metadata yet; rain judges the others
			}
			marks, err := peerwire.ParseBitfield(t.Get([]byte("bitfield")), info.NumPieces())
			if err != nil || marks.Count() == marks.Len() {
				return nil // none, or complete: then they were saved at once
			}
			forgotten[info.Hash] = marks.Count() > 0
			return t.Delete([]byte("bitfield"))
		})
	})
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, fmt.Errorf("preparing to hash incomplete downloads: %w", err)
	}
	return forgotten, nil
}
