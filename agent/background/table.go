package background

import (
	"sync"
	"sync/atomic"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// table is all background swarms, with what the whole of them takes up. Nothing goes through all of them for one piece.
type table struct {
	mu       sync.Mutex // guards the fields below, and of each share its swarms
	members  map[swarm.InfoHash]*membership
	shares   map[string]*share // by introducer; see swarm.Introducer.Key
	metadata int64             // bytes that the metadata of all swarms takes on disk
}

// share is what the swarms of one introducer take up of the store. The owner's own have none.
type share struct {
	bytes  atomic.Int64 // of the fragments held and of the pieces in flight
	swarms int
}

// introducerShare is the part of the storage limit that the swarms of one introducer may fill together, so that nobody
// can choose all that we hold.
const introducerShare = 0.8

// add changes what is taken up. s may be nil.
func (s *share) add(bytes int64) {
	if s != nil {
		s.bytes.Add(bytes)
	}
}

// charge adds bytes if they are still in the share of a storage limit, and reports whether they are.
func (s *share) charge(bytes, limit int64) bool {
	if float64(s.bytes.Add(bytes)) > introducerShare*float64(limit) {
		s.bytes.Add(-bytes)
		return false
	}
	return true
}

// get returns a swarm, or nil.
func (t *table) get(h swarm.InfoHash) *membership {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.members[h]
}

// all lists the swarms, in no order.
func (t *table) all() []*membership {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]*membership, 0, len(t.members))
	for _, s := range t.members {
		all = append(all, s)
	}
	return all
}

// enter puts a swarm into the table that is not in it yet; s.mu is held, or nobody else knows of s. It reports whether
// it did.
func (t *table) enter(s *membership) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, there := t.members[s.hash]; there {
		return false
	}
	t.members[s.hash] = s
	t.metadata += s.record.Metadata
	if key := s.record.Why.Key(); key != "" {
		if t.shares[key] == nil {
			t.shares[key] = &share{}
		}
		s.share = t.shares[key]
		s.share.swarms++
		s.share.add(s.bytes)
	}
	return true
}

// drop takes a swarm out of the table. s.mu is held.
func (t *table) drop(s *membership) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.members, s.hash)
	t.metadata -= s.record.Metadata
	if s.share != nil {
		s.share.add(-s.bytes - s.inFlight.Load())
		if s.share.swarms--; s.share.swarms == 0 {
			delete(t.shares, s.record.Why.Key())
		}
		s.share = nil
	}
}

// learned notes that the metadata of a swarm takes up so much. It was not known before.
func (t *table) learned(bytes int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.metadata += bytes
}

// Metadata lies beside the fragments and does not count as one. So that nobody fills a disk with it, all of it together
// may take metadataShare of the storage limit, or metadataLeast bytes where that is more, and never more than the index
// can hold.
const (
	metadataShare = 0.05
	metadataLeast = 1 << 20
)

// fitsMetadata reports whether there is room for that many bytes more of it, within a storage limit.
func (t *table) fitsMetadata(bytes, limit int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.metadata+bytes <= min(max(int64(metadataShare*float64(limit)), metadataLeast), fragstore.MostMetadata)
}
