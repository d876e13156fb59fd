package background

import (
	"errors"
	"fmt"
	"math"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// A swarm is released while its owner makes it a download: it stays known, with
// all that is held of it, but the engine leaves it alone until it is resumed or
// forgotten. That it is released stands in its record, and so outlasts a restart.

// ErrReleased is reported of a swarm that Release took out of service.
var ErrReleased = errors.New("is being made one of your downloads")

// Released is what is known of a swarm that was taken out of service.
type Released struct {
	Record   Record
	Metadata []byte // the info dictionary; nil if it is not known
}

// Release takes a swarm out of service without deleting anything: its peers are dropped, and nothing of it is
// announced, served or fetched any more. Its fragments get an infinite value, so that reclaim takes them last. When it
// returns, nothing more becomes a fragment. Releasing a swarm again is no error. It reports ErrUnknown.
func (e *Engine) Release(h swarm.InfoHash) (Released, error) {
	e.handing.Lock()
	defer e.handing.Unlock()
	s := e.table.get(h)
	if s == nil {
		return Released{}, ErrUnknown
	}
	if err := e.retire(s); err != nil {
		return Released{}, err
	}
	e.settle(s)
	e.cfg.Announcer.Remove(h)
	// Whoever else sets values looks first whether it is released, or has ended by now.
	e.cfg.Store.SetValues(h, priceless)
	s.mu.Lock()
	defer s.mu.Unlock()
	return Released{Record: s.current(), Metadata: e.metadata(h)}, nil
}

// retire marks a swarm as released, in its record too.
func (e *Engine) retire(s *membership) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == lifeLeaving {
		return ErrUnknown
	}
	return e.setReleased(s, true, lifeReleased)
}

// priceless is the value of the fragments of a released swarm.
func priceless(uint32) float64 { return math.Inf(1) }

// metadata is a swarm's stored info dictionary, or nil if there is none or it is damaged.
func (e *Engine) metadata(h swarm.InfoHash) []byte {
	raw, ok := e.cfg.Store.Metadata(h)
	if !ok {
		return nil
	}
	if info, err := peerwire.ParsePieces(raw); err != nil || info.Hash != h {
		return nil
	}
	return raw
}

// setReleased changes whether the record says that a swarm is released, and then its life. s.mu is held.
func (e *Engine) setReleased(s *membership, released bool, to life) error {
	if s.record.Released == released {
		return nil
	}
	s.record.Released = released
	if err := s.put(e.cfg.Store); err != nil {
		s.record.Released = !released
		return fmt.Errorf("writing the record of %s: %w", s.record.Name, err)
	}
	s.life = to
	return nil
}

// Resume takes a released swarm back into service; one that was not released goes on as before. It reports ErrUnknown.
func (e *Engine) Resume(h swarm.InfoHash) error {
	e.handing.Lock()
	defer e.handing.Unlock()
	s := e.table.get(h)
	if s == nil {
		return ErrUnknown
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == lifeLeaving {
		return ErrUnknown
	}
	if s.life != lifeReleased {
		return nil
	}
	if err := e.setReleased(s, false, lifeDormant); err != nil {
		return err
	}
	s.count(e.cfg.Store) // fragments may have become part of the download
	e.value(s)
	e.announce(s)
	e.activate(s, ifRoom)
	return nil
}

// Forget drops a released swarm and deletes everything that is still held of
// it. It reports ErrUnknown, also of a swarm that is not released.
func (e *Engine) Forget(h swarm.InfoHash) error {
	e.handing.Lock()
	defer e.handing.Unlock()
	s := e.table.get(h)
	if s == nil {
		return ErrUnknown
	}
	s.mu.Lock()
	if s.life != lifeReleased {
		s.mu.Unlock()
		return ErrUnknown
	}
	s.life = lifeLeaving
	s.mu.Unlock()
	return e.depart(s)
}
