package background

import (
	"errors"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/swarm"
)

// chooseSwarms carries out what choose.Join and choose.Leave decide.
func (e *Engine) chooseSwarms() {
	usage := e.cfg.Ledger.Usage()
	now := time.Now()
	e.mu.Lock()
	e.budget.renew(usage, now)
	e.mu.Unlock()
	if e.asleep() {
		return // each of these would have the disk written to
	}
	if e.shut() {
		return // and these would find nobody
	}
	view := choose.JoinView{Candidates: e.cfg.Candidates.Ready(), Room: usage.Limit - usage.Used}
	var stay []choose.LeaveView
	var dormant []choose.WakeView
	e.mu.Lock()
	view.Goal, view.Swarms = e.cfg.Goal(), len(e.swarms)
	if e.budget.spent || usage.Writes == 0 {
		view.Room = 0 // for what may not be written
	}
	for _, s := range e.swarms {
		if s.record.Released || s.donating {
			continue // the owner has decided on these
		}
		switch {
		case s.busy(now):
			view.Fetching++
		case s.live == nil && s.fetching && view.Room > 0:
			dormant = append(dormant, choose.WakeView{Hash: s.hash, Health: s.record.Health, Woken: s.woken})
		}
		stay = append(stay, choose.LeaveView{
			Hash: s.hash, Fragments: s.fragments, Health: s.record.Health,
			Joined: s.record.Joined, LastPeer: s.record.LastPeer, ByOwner: s.record.Why.ByOwner(),
		})
	}
	e.mu.Unlock()

	for _, c := range choose.Join(view) {
		err := e.Join(Join{Hash: c.Hash, Name: c.Name, Trackers: c.Trackers, Peers: []string{c.Introducer().Addr.String()}, Health: c.Health, Why: c.Why()})
		if err != nil && !errors.Is(err, ErrJoined) {
			e.cfg.Log.Warn("joining a swarm", "swarm", c.Hash.String(), "err", err)
			e.cfg.Candidates.Refused(c.Hash, c.Name, refusalOf(err))
			continue
		}
		if conn := e.cfg.Candidates.Joined(c.Hash); conn != nil {
			conn.Close()
		}
	}
	for _, h := range choose.Wake(dormant, view.Fetching, view.Goal, now) {
		e.wake(h, now)
	}
	for _, h := range choose.Leave(stay, view.Goal, now) {
		if err := e.Leave(h); err == nil {
			swarm.Tell(e.cfg.Log, "left", h, "left: nobody there needs us")
		}
	}
}

// stalled is how long a live swarm may get no further before it gives its place
// among those that are fetched to another: its peers may lack what it lacks.
const stalled = 2 * time.Minute

// busy tells whether the swarm takes up a place among those that are fetched.
func (s *helped) busy(now time.Time) bool {
	return s.live != nil && s.fetching && (s.inFlight > 0 || now.Sub(s.gained) < stalled)
}

// wake has a dormant swarm dial the peers that it knows, and ask for more.
func (e *Engine) wake(h swarm.InfoHash, now time.Time) {
	e.mu.Lock()
	if s, ok := e.swarms[h]; ok {
		s.woken = now
		e.activate(s)
	}
	e.mu.Unlock()
	e.cfg.Announcer.Now(h)
}
