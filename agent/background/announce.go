package background

import (
	"ebb/agent/background/choose"
	"ebb/agent/peersource"
	"ebb/agent/swarm"
)

// announce puts a swarm on the announcer's schedule. e.mu is held; the
// functions handed over take it again, on the announcer's goroutines.
func (e *Engine) announce(s *helped) {
	if e.ctx == nil || s.record.Released {
		return
	}
	h := s.hash
	e.cfg.Announcer.Add(peersource.Torrent{
		Hash:     h,
		Trackers: s.record.Trackers,
		Port:     e.cfg.Port,
		DHT:      true,
		Announce: true,
		Left: func() int64 {
			e.mu.Lock()
			defer e.mu.Unlock()
			return s.left()
		},
		Transferred: func() (up, down int64) {
			e.mu.Lock()
			defer e.mu.Unlock()
			return s.record.Uploaded, s.record.Downloaded
		},
		PartialSeed: func() bool {
			e.mu.Lock()
			defer e.mu.Unlock()
			return !s.fetching
		},
		Found: func(r peersource.Result) { e.found(h, r) },
	})
}

// left is the number of bytes of the torrent that we do not hold. A swarm
// whose size is unknown has at least one.
func (s *helped) left() int64 {
	if s.record.Pieces == 0 {
		return max(s.record.Length, 1)
	}
	if s.fragments == s.record.Pieces {
		return 0
	}
	return max(s.record.Length-s.bytes, 1)
}

// found takes the answer of a tracker or of the DHT.
func (e *Engine) found(h swarm.InfoHash, r peersource.Result) {
	e.mu.Lock()
	s, ok := e.swarms[h]
	if !ok || r.Err != nil || s.record.Released {
		e.mu.Unlock()
		return
	}
	// A tracker counts us, too: as a seed if we hold all of it.
	seeds, leechers := r.Seeders, r.Leechers
	if s.left() == 0 {
		seeds--
	} else {
		leechers--
	}
	if r.Seeders >= 0 {
		s.told.Seeds = max(seeds, 0)
		s.record.Health.Seeds = s.told.Seeds
	}
	if r.Leechers >= 0 {
		s.told.Leechers = max(leechers, 0)
		s.record.Health.Leechers = s.told.Leechers
	}
	s.dirty = true
	if s.live == nil {
		// Nobody that we see has any of it: a live swarm sees for itself.
		value := choose.Value(choose.Need(s.record.Health, e.cfg.Goal()), 0)
		e.cfg.Store.SetValues(h, func(uint32) float64 { return value })
	}
	e.mu.Unlock()
	if len(r.Peers) > 0 && !e.shut() {
		e.deliver(h, func(l *live) bool { return post(l, l.found, r.Peers) })
	}
}
