package background

import (
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peersource"
)

// announce puts a swarm on the announcer's schedule, if the engine runs. s.mu is held; the functions handed over take
// it again, on the announcer's goroutines.
func (e *Engine) announce(s *membership) {
	e.mu.Lock()
	defer e.mu.Unlock() // lest Run ends, and takes all off the schedule, in between
	if e.ctx == nil || !s.life.serving() {
		return
	}
	e.cfg.Announcer.Add(peersource.Torrent{
		Hash:     s.hash,
		Trackers: s.record.Trackers,
		Port:     e.cfg.Port,
		DHT:      true,
		Left: func() int64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.left()
		},
		Transferred: func() (up, down int64) {
			return s.uploaded.Load(), s.downloaded.Load()
		},
		PartialSeed: func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			return !s.fetching
		},
		Found: func(r peersource.Result) { e.found(s, r) },
	})
}

// found takes the answer of a tracker or of the DHT.
func (e *Engine) found(s *membership, r peersource.Result) {
	if r.Err == nil {
		e.hearNow()
	}
	if r.Err == nil && e.hear(s, r) && len(r.Peers) > 0 && !e.places.shut() {
		e.deliver(s.hash, ifRoom, func(l *live) bool { return post(l, l.found, r.Peers) })
	}
}

// hearNow notes that somebody out there is to be heard, so that the line is not down.
func (e *Engine) hearNow() {
	now := time.Now()
	e.heard.Store(&now)
}

// hear notes how a swarm is, as a tracker says. It reports whether the swarm is one that the engine works with.
func (e *Engine) hear(s *membership, r peersource.Result) bool {
	goal := e.cfg.Goal()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.life.serving() {
		return false
	}
	// A tracker counts us, too: as a seed if we hold all of it.
	seeds, leechers := r.Seeds, r.Leechers
	if s.left() == 0 {
		seeds--
	} else {
		leechers--
	}
	if r.Seeds >= 0 {
		s.told.Seeds = max(seeds, 0)
		s.record.Health.Seeds = s.told.Seeds
	}
	if r.Leechers >= 0 {
		s.told.Leechers = max(leechers, 0)
		s.record.Health.Leechers = s.told.Leechers
	}
	s.dirty.Store(true)
	if s.life == lifeDormant {
		// Nobody that we see has any of it: a live swarm sees for itself.
		value := choose.Value(choose.Need(s.record.Health, goal), 0)
		e.cfg.Store.SetValues(s.hash, func(uint32) float64 { return value })
	}
	return true
}
