package background

import (
	"errors"
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

// Join makes a swarm one of ours and starts to help it. It fails with ErrJoined, with ErrPrivate when the metadata says
// so, or when the record cannot be written. A private torrent whose metadata comes later is left again the moment that
// shows. After an error the donor was not taken.
func (e *Engine) Join(j Join) error {
	if j.Donor != nil && j.Metadata == nil {
		return fmt.Errorf("joining %s: without its metadata, nothing can be taken from a download", j.Hash.String())
	}
	s := newMembership(j.Hash, Record{
		Name: j.Name, Trackers: j.Trackers, Peers: j.Peers, Why: j.Why, Health: j.Health, Joined: time.Now(),
	}, j.Health)
	if j.Metadata != nil {
		info, err := peerwire.ParsePieces(j.Metadata)
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
		if !e.fitsMetadata(int64(len(j.Metadata))) {
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
	l, err := e.enter(s, j.Donor != nil)
	if err == nil && j.Donor != nil {
		hand(s, l, j.Donor)
	}
	if err == nil || errors.Is(err, ErrJoined) {
		e.welcome(e.cfg.Candidates.Joined(j.Hash))
	}
	return err
}

// welcome serves the connection on which a candidate was proven, if there is one; it was dialled, so that we know where
// its peer listens.
func (e *Engine) welcome(c *peerwire.Conn) {
	if c == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ctx == nil {
		c.Close()
		return
	}
	e.wg.Go(func() { e.servePeer(&peer{conn: c, addr: c.RemoteAddr()}) })
}

// enter makes a swarm one of ours and live, if the engine runs; keeping says that it is to be given a donor.
func (e *Engine) enter(s *membership, keeping bool) (*live, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.table.enter(s) {
		return nil, ErrJoined
	}
	if err := s.put(e.cfg.Store); err != nil {
		e.table.drop(s)
		s.life = lifeLeaving // for those who have found it meanwhile
		return nil, fmt.Errorf("joining %s: %w", s.record.Name, err)
	}
	swarm.Tell(e.cfg.Log, "joined", s.hash, "joined: "+s.record.Name)
	e.announce(s)
	how := ifRoom
	if keeping {
		how = always
	}
	l := e.activate(s, how)
	if l != nil && keeping {
		s.life = lifeKeeping
	}
	return l, nil
}

// describe takes what the metadata, of so many bytes, says of the torrent.
func (r *Record) describe(info *peerwire.Info, size int) {
	r.Name, r.Length, r.PieceSize, r.Pieces = info.Name, info.Length, info.PieceLength, info.NumPieces()
	r.Metadata = int64(size)
}

// fitsMetadata reports whether there is room for that many bytes more of metadata.
func (e *Engine) fitsMetadata(bytes int64) bool {
	return e.table.fitsMetadata(bytes, e.cfg.Ledger.Usage().Limit)
}
