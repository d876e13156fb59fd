package background

import (
	"errors"
	"sync/atomic"
	"time"

	"ebb/agent/background/choose"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// How many pieces may be in flight, and when one of them is given room on disk. A peer that only promises blocks, or
// rejects every request, must cost neither a fragment nor a file; so the ledger is asked in two steps: Room, reclaiming
// nothing, before a piece is requested, and Admit when its first block has come.

const (
	mostFetches  = 32  // pieces in flight in one swarm, orphans included: each may hold room and a file
	mostInFlight = 128 // the same over all swarms
)

func (l *live) key(piece int) fragstore.Key {
	return fragstore.Key{Hash: l.swarm.hash, Index: uint32(piece)}
}

// value is what a piece is worth, the same as revalue will give it: were it more, a full store would for ever take turns
// between pieces of one swarm.
func (l *live) value(piece int) float64 { return choose.Value(l.need, int(l.copies[piece])) }

// makeWay reports whether one more piece may be in flight. If there are too many of the swarm's, the orphan of which
// least has come makes way.
func (l *live) makeWay() bool {
	if l.engine.inFlight.pieces.Load() >= mostInFlight {
		return false
	}
	if len(l.fetches) < mostFetches {
		return true
	}
	var least *fetch
	for _, f := range l.fetches {
		if f.from == nil && f.got.Count() < f.got.Len() && (least == nil || f.got.Count() < least.got.Count()) {
			least = f
		}
	}
	if least != nil {
		l.giveUp(least)
	}
	return least != nil
}

// admit takes room for a piece of which this first block has come; false if there is none, or none any more.
func (l *live) admit(f *fetch, block int) bool {
	i := int(f.index)
	w, reclaimed, err := l.engine.cfg.Ledger.Admit(l.key(i), f.length, l.info.PieceHash(i), l.value(i))
	l.engine.reclaimed(reclaimed, l.swarm)
	if err != nil {
		f.asked.Clear(block) // it is no longer outstanding
		l.giveUp(f)
		l.noRoom(i, f.length, err)
		return false
	}
	f.writer = w
	l.engine.inFlight.expected.Add(-f.length)
	return true
}

// noRoom puts off new fetches because the ledger has no room for this one, or the disk does not take it: neither is a
// peer's fault.
func (l *live) noRoom(piece int, length int64, err error) {
	if errors.Is(err, fragstore.ErrHeld) {
		l.gain(uint32(piece)) // it could not be deleted when it was to be reclaimed
		return
	}
	l.engine.cfg.Log.Debug("no fragment admitted", "swarm", l.info.Name, "err", err)
	l.putOff(err, errors.Is(err, disk.ErrBudget) && l.engine.budget.spend(length, l.engine.cfg.Ledger.Usage(), time.Now()))
}

// inFlight counts the pieces in flight over all swarms. Each swarm's goroutine counts its own.
type inFlight struct {
	pieces   atomic.Int64
	expected atomic.Int64 // bytes of those whose first block has not come: they have no room yet
}

func (n *inFlight) begin(length int64) {
	n.pieces.Add(1)
	n.expected.Add(length)
}

// end ends what begin began.
func (n *inFlight) end(f *fetch) {
	n.pieces.Add(-1)
	if f.writer == nil {
		n.expected.Add(-f.length)
	}
}

// charge counts a piece's bytes as in flight, if they are in the share of the swarm's introducer. It returns errShare
// if they are not, and disk.ErrBudget if the ledger is not to be asked.
func (l *live) charge(bytes int64) error {
	if l.engine.budget.isSpent() {
		return disk.ErrBudget
	}
	s := l.swarm
	if s.share != nil && !s.share.charge(bytes, l.engine.cfg.Ledger.Usage().Limit) {
		return errShare
	}
	s.inFlight.Add(bytes)
	return nil
}
