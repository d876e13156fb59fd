package fragstore

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"ebb/agent/swarm"
)

// Swarm records, metadata and meta values are opaque to the store. They live in its index, and do not depend on whether
// fragments are held. Nothing in them is counted in Used.

// MaxRecord is the length in bytes of the longest swarm record, metadata or meta value that is kept.
const MaxRecord = 16 << 20

// PutSwarm sets a swarm's record. It is written behind, within a second.
func (s *Store) PutSwarm(h swarm.InfoHash, record []byte) error {
	return s.putRecord(swarmsBucket, string(h[:]), record, s.putLater)
}

// Swarm returns a copy of a swarm's record.
func (s *Store) Swarm(h swarm.InfoHash) ([]byte, bool) {
	record := s.record(swarmsBucket, string(h[:]))
	return record, record != nil
}

// DeleteSwarmRecord deletes a swarm's record and its metadata, within a second.
func (s *Store) DeleteSwarmRecord(h swarm.InfoHash) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	s.index.put(swarmsBucket, string(h[:]), nil)
	s.index.put(metadataBucket, string(h[:]), nil)
	return nil
}

// Swarms returns the info-hashes that have a swarm record, as they are now.
func (s *Store) Swarms() iter.Seq[swarm.InfoHash] {
	keys := s.recordKeys(swarmsBucket, "")
	return func(yield func(swarm.InfoHash) bool) {
		for _, key := range keys {
			if len(key) == len(swarm.InfoHash{}) && !yield(swarm.InfoHash([]byte(key))) {
				return
			}
		}
	}
}

// PutMetadata keeps a swarm's info dictionary. It is on disk when this returns.
func (s *Store) PutMetadata(h swarm.InfoHash, info []byte) error {
	return s.putRecord(metadataBucket, string(h[:]), info, s.index.putNow)
}

// Metadata returns a copy of a swarm's info dictionary.
func (s *Store) Metadata(h swarm.InfoHash) ([]byte, bool) {
	info := s.record(metadataBucket, string(h[:]))
	return info, info != nil
}

// PutMeta keeps a small value under a key of one's own bucket, such as the owner's vetoes. It is on disk when this
// returns. The bucket's name must not be empty or contain NUL.
func (s *Store) PutMeta(bucket, key string, value []byte) error {
	name, err := metaKey(bucket, key)
	if err != nil {
		return err
	}
	return s.putRecord(metaBucket, name, value, s.index.putNow)
}

// DeleteMeta deletes a value. It is gone from disk when this returns.
func (s *Store) DeleteMeta(bucket, key string) error {
	name, err := metaKey(bucket, key)
	if err != nil {
		return err
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	return explainDisk(s.index.putNow(metaBucket, name, nil))
}

// Meta returns a copy of a value.
func (s *Store) Meta(bucket, key string) ([]byte, bool) {
	name, err := metaKey(bucket, key)
	if err != nil {
		return nil, false
	}
	value := s.record(metaBucket, name)
	return value, value != nil
}

// MetaKeys returns the keys of a bucket, sorted.
func (s *Store) MetaKeys(bucket string) []string {
	prefix, err := metaKey(bucket, "")
	if err != nil {
		return nil
	}
	keys := s.recordKeys(metaBucket, prefix)
	for i := range keys {
		keys[i] = strings.TrimPrefix(keys[i], prefix)
	}
	return keys
}

func metaKey(bucket, key string) (string, error) {
	name := bucket + "\x00" + key
	if bucket == "" || strings.Contains(bucket, "\x00") || len(name) > 1024 {
		return "", fmt.Errorf("no value can be kept under bucket %q and key %q", bucket, key)
	}
	return name, nil
}

func (s *Store) putLater(b bucket, key string, value []byte) error {
	s.index.put(b, key, value)
	return nil
}

// putRecord checks a value and puts a copy of it into the index.
func (s *Store) putRecord(b bucket, key string, value []byte, put func(bucket, string, []byte) error) error {
	if len(value) > MaxRecord {
		return fmt.Errorf("keeping %d bytes in %s: the most is %d", len(value), b.name(), MaxRecord)
	}
	if value == nil {
		return errors.New("keeping a value: there is none")
	}
	if err := s.begin(); err != nil {
		return err
	}
	defer s.work.Done()
	return explainDisk(put(b, key, slices.Clone(value)))
}

func (s *Store) record(b bucket, key string) []byte {
	if s.begin() != nil {
		return nil
	}
	defer s.work.Done()
	return s.index.get(b, key)
}

func (s *Store) recordKeys(b bucket, prefix string) []string {
	if s.begin() != nil {
		return nil
	}
	defer s.work.Done()
	return s.index.keys(b, prefix)
}
