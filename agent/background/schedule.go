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
	elapsed := min(now.Sub(e.chose), 2*joinInterval) // while the background was off, nothing was looked for
	e.chose = now
	e.budget.renew(usage, now)
	if e.asleep() {
		return // each of these would have the disk written to
	}
	if e.places.shut() {
		return // and these would find nobody
	}
	all := e.table.all()
	view := choose.JoinView{
		Candidates: e.cfg.Candidates.Ready(), Goal: e.cfg.Goal(), Room: usage.Limit - usage.Used, Swarms: len(all),
		Empty: make(map[string]int),
	}
	if e.budget.isSpent() || usage.Writes == 0 {
		view.Room = 0 // for what may not be written
	}
	var stay []choose.LeaveView
	var dormant []choose.WakeView
	for _, s := range all {
		s.mu.Lock()
		if s.life == lifeDormant || s.life == lifeLive { // on others the owner has decided
			if s.busy(now) {
				view.Fetching++
			}
			if s.life == lifeDormant && s.fetching && view.Room > 0 {
				dormant = append(dormant, choose.WakeView{Hash: s.hash, Health: s.record.Health, Woken: s.woken})
			}
			if s.fragments == 0 {
				view.Empty[s.record.Why.Key()]++
			}
			known := s.record.Pieces > 0
			if !known {
				s.sought += elapsed
			}
			stay = append(stay, choose.LeaveView{
				Hash: s.hash, Fragments: s.fragments, Health: s.record.Health, Known: known, Sought: s.sought,
				Joined: s.record.Joined, LastPeer: s.record.LastPeer, ByOwner: s.record.Why.ByOwner(),
			})
		}
		s.mu.Unlock()
	}

	for _, c := range choose.Join(view) {
		err := e.Join(Join{
			Hash: c.Hash, Name: c.Name, Trackers: c.Trackers, Peers: []string{c.Introducer().Addr.String()},
			Health: c.Health, Why: c.Why(),
		})
		if err != nil && !errors.Is(err, ErrJoined) {
			e.cfg.Log.Warn("joining a swarm", "swarm", c.Hash.String(), "err", err)
			e.cfg.Candidates.Refused(c.Hash, c.Name, refusalOf(err))
		}
	}
	for _, h := range choose.Wake(dormant, view.Fetching, view.Goal, now) {
		e.wake(h, now)
	}
	for _, h := range choose.Leave(stay, view.Goal, now) {
		e.leaveIdle(h, now)
	}
}

// wake has a dormant swarm dial the peers that it knows, and ask for more.
func (e *Engine) wake(h swarm.InfoHash, now time.Time) {
	if s := e.table.get(h); s != nil {
		s.mu.Lock()
		s.woken = now
		e.activate(s, makeWay)
		s.mu.Unlock()
	}
	e.cfg.Announcer.Now(h)
}
