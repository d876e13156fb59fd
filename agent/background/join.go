package background

import (
	"fmt"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// Join describes a swarm to join.
type Join struct {
	Hash     swarm.InfoHash
	Name     string
	Trackers []string
	Peers    []string // addresses to start from; bad ones are ignored
	Metadata []byte   // the info dictionary, if it is at hand
	Health   swarm.Health
	Why      swarm.Why
	Donor    Donor // has pieces of it on this machine, see Give; nil if nothing has. It needs the metadata
}

// Join makes a swarm one of ours and starts to help it. It fails with
// ErrJoined, with ErrPrivate when the metadata says so, or when the record
// cannot be written. A private torrent whose metadata comes later is left
// again the moment that shows. After an error the donor was not taken.
func (e *Engine) Join(j Join) error {
	if j.Donor != nil && j.Metadata == nil {
		return fmt.Errorf("joining %s: without its metadata, nothing can be taken from a download", j.Hash.String())
	}
	s := &helped{hash: j.Hash, fetching: true, introducer: j.Why.Key(), told: j.Health, record: Record{
		Name: j.Name, Trackers: j.Trackers, Peers: j.Peers, Why: j.Why, Health: j.Health, Joined: time.Now(),
	}}
	if j.Metadata != nil {
		info, err := peerwire.ParseInfo(j.Metadata)
		if err != nil {
			return fmt.Errorf("joining %s: %w", j.Hash.String(), err)
		}
		if info.Hash != j.Hash {
			return fmt.Errorf("joining %s: its metadata is that of %s", j.Hash.String(), info.Hash.String())
		}
		if info.Private {
			return ErrPrivate
		}
		if e.Has(j.Hash) {
			return ErrJoined
		}
		if !e.fitsMetadata(len(j.Metadata)) {
			return ErrMetadata
		}
		if err := e.cfg.Store.PutMetadata(j.Hash, j.Metadata); err != nil {
			return fmt.Errorf("joining %s: %w", info.Name, err)
		}
		s.record.describe(info, len(j.Metadata))
	}
	if s.record.Name == "" {
		s.record.Name = j.Hash.String()
	}
	s.donating = j.Donor != nil
	if err := e.enter(s); err != nil {
		return err
	}
	if j.Donor != nil {
		e.hand(s, j.Donor)
	}
	return nil
}

// enter makes a swarm one of ours, unless it is already.
func (e *Engine) enter(s *helped) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, ok := e.swarms[s.hash]; ok {
		return ErrJoined
	}
	if err := e.put(s); err != nil {
		return fmt.Errorf("joining %s: %w", s.record.Name, err)
	}
	e.swarms[s.hash] = s
	swarm.Tell(e.cfg.Log, "joined", s.hash, "joined: "+s.record.Name)
	e.announce(s)
	e.activate(s)
	return nil
}

// describe takes what the metadata, of so many bytes, says of the torrent.
func (r *Record) describe(info *peerwire.Info, size int) {
	r.Name, r.Length, r.PieceSize, r.Pieces = info.Name, info.Length, info.PieceLength, info.NumPieces()
	r.Metadata = int64(size)
}

// Metadata lies beside the fragments and does not count as one. So that nobody
// fills a disk with it, all of it together may take metadataShare of the
// storage limit, or metadataLeast bytes where that is more.
const (
	metadataShare = 0.05
	metadataLeast = 1 << 20
)

// fitsMetadata tells whether there is room for that many bytes more of it.
func (e *Engine) fitsMetadata(size int) bool {
	limit := max(int64(metadataShare*float64(e.cfg.Ledger.Usage().Limit)), metadataLeast)
	e.mu.Lock()
	defer e.mu.Unlock()
	total := int64(size)
	for _, s := range e.swarms {
		total += s.record.Metadata
	}
	return total <= limit
}
