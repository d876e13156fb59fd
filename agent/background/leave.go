package background

import (
	"fmt"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/swarm"
)

// Leave drops a swarm and deletes everything that is held of it. It reports
// ErrUnknown, and ErrReleased of a swarm that only Forget may drop.
func (e *Engine) Leave(h swarm.InfoHash) error {
	s := e.table.get(h)
	if s == nil {
		return ErrUnknown
	}
	s.mu.Lock()
	switch s.life {
	case lifeLeaving:
		s.mu.Unlock()
		return ErrUnknown
	case lifeReleased:
		defer s.mu.Unlock()
		return fmt.Errorf("%s %w", s.record.Name, ErrReleased)
	}
	s.life = lifeLeaving // it stays known until its traces are gone, lest it be joined again before
	s.mu.Unlock()
	return e.depart(s)
}

// leaveIdle leaves a swarm that is not worth staying in. One that never showed what it contains is not joined again
// soon, whoever names it; unless we heard from nobody at all meanwhile, and it may be our line that is down.
func (e *Engine) leaveIdle(h swarm.InfoHash, now time.Time) {
	s := e.table.get(h)
	if s == nil {
		return
	}
	s.mu.Lock()
	idle := (s.life == lifeDormant || s.life == lifeLive) && s.fragments == 0
	if idle {
		s.life = lifeLeaving
	}
	name, known := s.record.Name, s.record.Pieces > 0
	s.mu.Unlock()
	if !idle {
		return
	}
	why := "nobody there needs us"
	if !known {
		why = errSilent.Error()
		if heard := e.heard.Load(); heard != nil && now.Sub(*heard) < choose.MaxSeek {
			e.cfg.Candidates.Refused(h, name, refusalOf(errSilent))
		}
	}
	swarm.Tell(e.cfg.Log, "left", h, "left: "+why)
	if err := e.depart(s); err != nil {
		e.cfg.Log.Warn("leaving a swarm", "swarm", h.String(), "err", err)
	}
}

// depart ends a swarm that is leaving.
func (e *Engine) depart(s *membership) error {
	e.settle(s)
	e.cfg.Announcer.Remove(s.hash)
	err := e.erase(s.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.table.drop(s)
	return err
}

// settle ends the life of a swarm that is leaving or released, and waits until nothing of it is left running.
func (e *Engine) settle(s *membership) {
	s.mu.Lock()
	l := s.run
	s.mu.Unlock()
	if l != nil { // maybe it was ending already
		l.cancel()
		<-l.done
	}
}

// refuse leaves a swarm that must not be helped. The swarm's own goroutine cannot wait for itself to end, so the engine
// leaves on another one.
func (l *live) refuse(reason error) {
	e, s := l.engine, l.swarm
	s.mu.Lock()
	serving := s.life.serving() // else it is none of ours any more
	if serving {
		s.life = lifeLeaving
	}
	name := s.record.Name
	s.mu.Unlock()
	if !serving {
		return
	}
	swarm.Tell(e.cfg.Log, "refused", s.hash, "left: "+reason.Error())
	e.cfg.Candidates.Refused(s.hash, name, refusalOf(reason))
	l.cancel()
	e.wg.Go(func() { // l counts in wg until it has ended, and so this may
		if err := e.depart(s); err != nil {
			e.cfg.Log.Warn("leaving a refused swarm", "swarm", s.hash.String(), "err", err)
		}
	})
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
