package foreground

import (
	"encoding/json"
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
	forgotten := make(map[swarm.InfoHash]bool)
	err := changeTorrents(database, func(t *bbolt.Bucket) error {
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
	if err != nil {
		return nil, fmt.Errorf("preparing to hash incomplete downloads: %w", err)
	}
	return forgotten, nil
}

// takeTrackers writes down the trackers that a former version gave to rain, and makes rain forget them: it would announce
// there besides us. Magnets keep theirs, until they are taken over.
func (s *Session) takeTrackers() error {
	err := changeTorrents(s.cfg.Database, func(t *bbolt.Bucket) error {
		var l link
		text, hash := t.Get([]byte("trackers")), t.Get([]byte("info_hash"))
		if len(t.Get([]byte("info"))) == 0 || len(hash) != len(swarm.InfoHash{}) || json.Unmarshal(text, &l.tiers) != nil || len(l.tiers) == 0 {
			return nil
		}
		h := swarm.InfoHash(hash)
		if _, err := os.Stat(s.linkPath(h)); errors.Is(err, fs.ErrNotExist) { // else somebody was killed, and it is known better
			if err := s.saveLink(h, l); err != nil {
				return err
			}
		}
		return t.Put([]byte("trackers"), []byte("[]"))
	})
	if err != nil {
		return fmt.Errorf("taking over the trackers of downloads: %w", err)
	}
	return nil
}

// changeTorrents changes what rain has saved of each torrent, all of it or nothing. rain must not be running.
func changeTorrents(database string, change func(*bbolt.Bucket) error) error {
	if _, err := os.Stat(database); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	db, err := bbolt.Open(database, 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return errInUse
	}
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		torrents := tx.Bucket([]byte("torrents"))
		if torrents == nil {
			return nil
		}
		return torrents.ForEachBucket(func(id []byte) error { return change(torrents.Bucket(id)) })
	})
	return errors.Join(err, db.Close())
}
