package background

import (
	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
)

// Whether a piece is wanted changes with what is held, with the copies among the peers, and with the need of the swarm.
// Torrents have tens of thousands of pieces and events come thousands a second, so most events look only where a wanted
// piece was found the last time; what that misses, review finds.

// wanted reports whether a piece is worth fetching: not held, not to be had from a donor, and of value.
func (l *live) wanted(i int) bool {
	return !l.held.Has(i) && !l.donates(i) && (l.swarm.record.Why.ByOwner() || choose.Value(l.need, int(l.copies[i])) >= choose.MinValue)
}

// findWanted looks for a wanted piece among those that fit, beginning with a guess.
func (l *live) findWanted(guess int, fits func(int) bool) (int, bool) {
	n := l.held.Len()
	for k := range n {
		i := guess + k
		if i >= n {
			i -= n
		}
		if l.wanted(i) && fits(i) {
			return i, true
		}
	}
	return guess, false
}

// wants reports whether there is any piece worth fetching.
func (l *live) wants() (any bool) {
	l.guess, any = l.findWanted(l.guess, func(int) bool { return true })
	return any
}

// complete reports whether every piece is held.
func (l *live) complete() bool {
	return l.info != nil && (l.guess >= l.held.Len() || l.held.Has(l.guess)) && l.held.Count() == l.held.Len()
}

// showInterest keeps the peer's knowledge of our interest true.
func (l *live) showInterest(p *peer) {
	var interested bool
	if p.rejects < maxRejects {
		p.guess, interested = l.findWanted(p.guess, p.has.Has)
	}
	if interested == p.amInterested {
		return
	}
	p.amInterested = interested
	p.noteWants()
	if interested {
		p.send(peerwire.Message{Type: peerwire.Interested})
	} else {
		p.send(peerwire.Message{Type: peerwire.NotInterested})
	}
}

func (p *peer) noteWants() { p.wants.Store(p.amInterested || p.peerInterested) }

// review goes through all pieces again: what was not wanted may be by now, and
// the other way round. Peers are told what follows.
func (l *live) review() {
	onlyUpload := l.info != nil && !l.wants()
	changed := onlyUpload != l.onlyUpload
	l.onlyUpload = onlyUpload
	if !onlyUpload {
		l.book.Revive()
	}
	for p := range l.peers {
		l.showInterest(p)
		if changed && p.conn.Extended() {
			l.introduce(p)
		}
		l.partIfUseless(p)
		l.request(p)
	}
}

// partIfUseless ends a connection between two that want nothing of each other: both hold everything.
func (l *live) partIfUseless(p *peer) {
	if l.complete() && p.has.Count() == p.has.Len() {
		p.useless = true
		p.conn.Close()
	}
}
