package background

import (
	"math"
	"time"

	"ebb/agent/background/choose"
)

// turns is what a peer has had of us, and what it made of it. The swarm's goroutine owns it.
type turns struct {
	had     time.Duration // the sum of its charges; see choose.Charge
	began   time.Time     // of its latest turn
	start   int64         // the peer's cost when it began
	charged time.Time     // up to when it has been charged
	taken   int64         // the peer's cost then
	lent    int           // pieces that it alone asked us for
	passed  int           // of these, those that another peer has got since, not from us
}

// idleTurn is how long a peer that is served may ask for nothing before its turn goes to another.
const idleTurn = 5 * time.Second

// requestCost is what a block costs us beside its bytes, in bytes: so many could be sent in the time that it takes to
// look for it. It counts in the peer's turn, so that one that asks byte by byte gets no more of us than others.
const requestCost = 2 << 10

// unchoke ends the turns that there are and carries out a new choice of whom to serve.
func (l *live) unchoke(now time.Time) {
	l.settleTurns(now)
	var interested []choose.UploadView[*peer]
	for p := range l.peers {
		if p.peerInterested {
			interested = append(interested, p.uploadView(now))
		}
	}
	l.adaptSlots(now)
	slots := l.slotNumber()
	l.nextUnchoke = now.Add(choose.Turn(len(interested), slots))
	keep := make(map[*peer]bool)
	for _, p := range choose.Unchoked(interested, slots) {
		keep[p] = true
	}
	for p := range l.peers {
		if keep[p] {
			l.letIn(p, now)
		} else {
			l.choke(p, now)
		}
	}
}

// slotNumber is how many peers may be served now.
func (l *live) slotNumber() int {
	if l.diskAsleep {
		return 0
	}
	return choose.Slots(l.engine.cfg.UploadLimit(), l.moreSlots)
}

// adaptSlots looks how much of the limit was used since the last time.
func (l *live) adaptSlots(now time.Time) {
	total := l.engine.uploaded.Load()
	used := float64(total-l.uploaded) / max(now.Sub(l.adapted).Seconds(), 0.001)
	l.moreSlots = choose.MoreSlots(l.engine.cfg.UploadLimit(), used, l.moreSlots)
	l.uploaded, l.adapted = total, now
}

func (p *peer) uploadView(now time.Time) choose.UploadView[*peer] {
	v := choose.UploadView[*peer]{Peer: p, Had: p.turns.had}
	if p.amChoking {
		v.Waited = now.Sub(p.chokedAt)
	}
	return v
}

// settleTurns charges those that are served for their turns so far.
func (l *live) settleTurns(now time.Time) {
	l.findScarce()
	mean := l.meanRate(now)
	for p := range l.peers {
		if !p.amChoking {
			l.chargeTurn(p, now, mean)
		}
	}
}

// rate is what the peer took since it was last charged, in bytes per second, requestCost included.
func (t *turns) rate(cost int64, now time.Time) float64 {
	return float64(cost-t.taken) / max(now.Sub(t.charged).Seconds(), 0.001)
}

// meanRate is the mean of that over all that are served.
func (l *live) meanRate(now time.Time) float64 {
	var n, sum float64
	for p := range l.peers {
		if !p.amChoking {
			n, sum = n+1, sum+p.turns.rate(p.cost.Load(), now)
		}
	}
	return sum / max(n, 1)
}

// chargeTurn charges a peer for its turn so far; mean is the rate of those that are served.
func (l *live) chargeTurn(p *peer, now time.Time, mean float64) {
	t, cost := &p.turns, p.cost.Load()
	t.had += choose.Charge(now.Sub(t.charged), t.rate(cost, now), mean, choose.Weight(l.rarity(p), t.passing()))
	t.taken, t.charged = cost, now
}

// meanHad is what the interested peers have had, on average. Who becomes interested begins about there: neither does it
// pay to come back as somebody else, nor does somebody who comes late take the place of all others until it has caught
// up.
func (l *live) meanHad(without *peer) time.Duration {
	var n, sum time.Duration
	for p := range l.peers {
		if p.peerInterested && p != without {
			n, sum = n+1, sum+p.turns.had
		}
	}
	return sum / max(n, 1)
}

// takeInterested notes that a peer wants what we have.
func (l *live) takeInterested(p *peer, now time.Time) {
	if p.peerInterested {
		return
	}
	p.peerInterested = true
	p.noteWants()
	p.turns.had = max(p.turns.had, l.meanHad(p))
	l.fillSlots(now)
}

// fillSlots serves those that have had the least while slots are free. It ends nobody's turn.
func (l *live) fillSlots(now time.Time) {
	free := l.slotNumber()
	var waiting []choose.UploadView[*peer]
	for p := range l.peers {
		switch {
		case !p.amChoking:
			free--
		case p.peerInterested:
			waiting = append(waiting, p.uploadView(now))
		}
	}
	for _, p := range choose.Unchoked(waiting, free) {
		l.letIn(p, now)
	}
}

// endIdleTurns gives the turns of those that ask for nothing to others.
func (l *live) endIdleTurns(now time.Time) {
	waiting := false
	for p := range l.peers {
		waiting = waiting || p.amChoking && p.peerInterested
	}
	if !waiting {
		return
	}
	for p := range l.peers {
		if !p.amChoking && now.Sub(p.turns.began) >= idleTurn && p.cost.Load() == p.turns.start && p.conn.QueuedBlocks() == 0 {
			l.choke(p, now)
		}
	}
	l.fillSlots(now)
}

// lend notes that a peer asks for a piece.
func (l *live) lend(p *peer, index uint32) {
	switch to, lent := l.lent[index]; {
	case !lent:
		l.lent[index] = p
		p.turns.lent++
	case to != p && to != nil:
		l.lent[index] = nil // whoever has it next may have it from us
		to.turns.lent--
	}
}

// seenAt notes that a peer has got a piece. If we have lent it to one other alone, that one has passed it on.
func (l *live) seenAt(p *peer, index uint32) {
	if to := l.lent[index]; to != nil && to != p {
		to.turns.passed++
		delete(l.lent, index)
	}
}

// forgetLent forgets what was lent to a peer that has gone.
func (l *live) forgetLent(p *peer) {
	for index, to := range l.lent {
		if to == p {
			l.lent[index] = nil
		}
	}
}

// mostScarce is how many pieces are remembered as the scarcest of ours.
const mostScarce = 16

// findScarce finds, of the pieces that we hold, some of which the fewest others have a copy.
func (l *live) findScarce() {
	l.scarce = l.scarce[:0]
	fewest := uint16(math.MaxUint16)
	for i, n := range l.copies {
		if n > fewest || !l.held.Has(i) {
			continue
		}
		if n < fewest {
			fewest, l.scarce = n, l.scarce[:0]
		}
		if len(l.scarce) < mostScarce {
			l.scarce = append(l.scarce, i)
		}
	}
}

// passing is how much of what it was lent the peer has passed on, 0 to 1.
func (t *turns) passing() float64 { return 2 * float64(t.passed) / float64(1+t.lent) }

// rarity is 1 if the peer lacks one of those pieces that we hold and fewest others have, else 0.
func (l *live) rarity(p *peer) float64 {
	if l.info == nil || len(l.scarce) == 0 {
		return 0
	}
	for _, i := range l.scarce {
		if !p.has.Has(i) {
			return 1
		}
	}
	return 0
}
