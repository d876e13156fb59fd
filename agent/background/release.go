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

// Release takes a swarm out of service without deleting anything: its peers are
// dropped, and nothing of it is announced, served or fetched any more. Its
// fragments get an infinite value, so that reclaim takes them last. When it
// returns, nothing more becomes a fragment. Releasing a swarm again is no error.
// It reports ErrUnknown.
func (e *Engine) Release(h swarm.InfoHash) (Released, error) {
	e.handing.Lock()
	defer e.handing.Unlock()
	e.mu.Lock()
	s, ok := e.swarms[h]
	if !ok || s.leaving {
		e.mu.Unlock()
		return Released{}, ErrUnknown
	}
	if err := e.setReleased(s, true); err != nil {
		e.mu.Unlock()
		return Released{}, err
	}
	e.mu.Unlock()

	e.settle(s)
	e.cfg.Announcer.Remove(h)
	// Whoever else sets values looks first whether it is released, or has ended by now.
	e.cfg.Store.SetValues(h, priceless)
	e.mu.Lock()
	defer e.mu.Unlock()
	return Released{Record: s.record, Metadata: e.metadata(h)}, nil
}

// priceless is the value of the fragments of a released swarm.
func priceless(uint32) float64 { return math.Inf(1) }

// metadata is a swarm's stored info dictionary, or nil if there is none or it is damaged.
func (e *Engine) metadata(h swarm.InfoHash) []byte {
	raw, ok := e.cfg.Store.Metadata(h)
	if !ok {
		return nil
	}
	if info, err := peerwire.ParseInfo(raw); err != nil || info.Hash != h {
		return nil
	}
	return raw
}

// setReleased changes whether a swarm is released, and its record. e.mu is held.
func (e *Engine) setReleased(s *helped, released bool) error {
	if s.record.Released == released {
		return nil
	}
	s.record.Released = released
	if err := e.put(s); err != nil {
		s.record.Released = !released
		return fmt.Errorf("writing the record of %s: %w", s.record.Name, err)
	}
	return nil
}

// Resume takes a released swarm back into service; one that was not released
// goes on as before. It reports ErrUnknown.
func (e *Engine) Resume(h swarm.InfoHash) error {
	e.handing.Lock()
	defer e.handing.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.swarms[h]
	if !ok || s.leaving {
		return ErrUnknown
	}
	if !s.record.Released {
		return nil
	}
	if err := e.setReleased(s, false); err != nil {
		return err
	}
	s.count(e.cfg.Store) // fragments may have become part of the download
	e.value(s)
	e.announce(s)
	e.activate(s)
	return nil
}

// Forget drops a released swarm and deletes everything that is still held of
// it. It reports ErrUnknown, also of a swarm that is not released.
func (e *Engine) Forget(h swarm.InfoHash) error {
	e.handing.Lock()
	defer e.handing.Unlock()
	e.mu.Lock()
	s, ok := e.swarms[h]
	if !ok || s.leaving || !s.record.Released {
		e.mu.Unlock()
		return ErrUnknown
	}
	s.leaving = true
	e.mu.Unlock()
	return e.depart(s)
}
