package background

import (
	"fmt"

	"ebb/agent/swarm"
)

// Leave drops a swarm and deletes everything that is held of it. It reports
// ErrUnknown, and ErrReleased of a swarm that only Forget may drop.
func (e *Engine) Leave(h swarm.InfoHash) error {
	e.mu.Lock()
	s, ok := e.swarms[h]
	switch {
	case !ok || s.leaving:
		e.mu.Unlock()
		return ErrUnknown
	case s.record.Released:
		e.mu.Unlock()
		return fmt.Errorf("%s %w", s.record.Name, ErrReleased)
	}
	s.leaving = true // it stays known until its traces are gone, lest it be joined again before
	e.mu.Unlock()
	return e.depart(s)
}

// depart ends a swarm that is marked as leaving.
func (e *Engine) depart(s *helped) error {
	e.settle(s)
	e.cfg.Announcer.Remove(s.hash)
	err := e.erase(s.hash)
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.swarms, s.hash)
	return err
}

// settle ends a swarm's life if it is live, and waits until nothing of it is
// left running. The swarm is marked as leaving or released, so it stays dormant.
func (e *Engine) settle(s *helped) {
	e.mu.Lock()
	l, over := s.live, s.over
	e.mu.Unlock()
	if l != nil {
		l.cancel()
	}
	if over != nil { // maybe of a life that is ending already
		<-over
	}
}

// refuse leaves a swarm that must not be helped. The swarm's own goroutine
// cannot wait for itself to end, so the engine leaves on another one.
func (l *live) refuse(reason error) {
	e, s := l.engine, l.swarm
	e.mu.Lock()
	going := s.leaving || s.record.Released // then it is none of ours any more
	s.leaving = s.leaving || !going
	name := s.record.Name
	e.mu.Unlock()
	if going {
		return
	}
	swarm.Tell(e.cfg.Log, "refused", s.hash, "left: "+reason.Error())
	e.cfg.Candidates.Refused(s.hash, name, refusalOf(reason))
	l.cancel()
	e.wg.Add(1)
	go func() {
		defer e.wg.Done()
		if err := e.depart(s); err != nil {
			e.cfg.Log.Warn("leaving a refused swarm", "swarm", s.hash.String(), "err", err)
		}
	}()
}

// erase deletes all that the store has of a swarm.
func (e *Engine) erase(h swarm.InfoHash) error {
	if _, err := e.cfg.Store.DeleteSwarm(h); err != nil {
		return fmt.Errorf("deleting fragments of %s: %w", h.String(), err)
	}
	if err := e.cfg.Store.DeleteSwarmRecord(h); err != nil {
		return fmt.Errorf("deleting the record of %s: %w", h.String(), err)
	}
	return nil
}
