// Package records keeps the agent's own small tables, such as the owner's vetoes and the moves that are under way, in
// the fragment store beside the records of the swarms. What is put into a table is on disk when Put returns.
//
// A table is a bucket of the store's small values. These are taken:
//
//	vetoes  by info-hash, JSON: a Table
//	refused by info-hash, JSON: a Table
//	moves   by info-hash, JSON: a Table
//	feeds   by the SHA-1 of the feed's URL, JSON: a Table
//	line    what was learned of the line, by the name of its interface: text, kept by whoever learns
//	quota   what was written today, and transferred this month: one text each, kept by those who count
//
// The values of the last two are no tables of swarms; their owners use the store as it is.
package records

import (
	"encoding/json"
	"fmt"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// The names of the tables' buckets.
const (
	Vetoes   = "vetoes"
	Refusals = "refused"
	Moves    = "moves"
	Feeds    = "feeds"
)

// Table is a table of values by info-hash.
type Table[T any] struct {
	store  *fragstore.Store
	bucket string
}

// In returns the table in that bucket of a store.
func In[T any](store *fragstore.Store, bucket string) Table[T] { return Table[T]{store, bucket} }

// Put keeps a value in place of what was there.
func (t Table[T]) Put(h swarm.InfoHash, value T) error {
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding what is to be kept of %s in %s: %w", h, t.bucket, err)
	}
	return t.store.PutMeta(t.bucket, h.String(), b)
}

// Get returns a value, if there is one. It is an error if what is there cannot be read.
func (t Table[T]) Get(h swarm.InfoHash) (value T, there bool, err error) {
	b, there := t.store.Meta(t.bucket, h.String())
	if !there {
		return value, false, nil
	}
	if err := json.Unmarshal(b, &value); err != nil {
		var none T
		return none, false, fmt.Errorf("what is kept of %s in %s is damaged: %w", h, t.bucket, err)
	}
	return value, true, nil
}

// Delete deletes a value, if there is one.
func (t Table[T]) Delete(h swarm.InfoHash) error { return t.store.DeleteMeta(t.bucket, h.String()) }

// Hashes returns the info-hashes of all values, ascending.
func (t Table[T]) Hashes() []swarm.InfoHash {
	var hashes []swarm.InfoHash
	for _, key := range t.store.MetaKeys(t.bucket) {
		if h, err := swarm.ParseInfoHash(key); err == nil {
			hashes = append(hashes, h)
		}
	}
	return hashes
}

// All returns all values. It is an error if one of them cannot be read.
func (t Table[T]) All() (map[swarm.InfoHash]T, error) {
	all := make(map[swarm.InfoHash]T)
	for _, h := range t.Hashes() {
		value, there, err := t.Get(h)
		if err != nil {
			return nil, err
		}
		if there {
			all[h] = value
		}
	}
	return all, nil
}
