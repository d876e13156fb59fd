package background

import (
	"encoding/binary"
	"sync/atomic"

	"ebb/agent/peerwire"
)

// having is what a peer has said of its pieces, as far as it matters beside the bitfield that follows from it.
type having struct {
	said   bool // it has said anything
	opened bool // and that began with all that it has, as BEP 3 and 6 have it
	none   bool // which was nothing, and that is all that it has said

	// Until the metadata is known, the number of pieces is not, so that what it says is kept.
	first peerwire.Message // all that it had in the beginning; its Type is Have if it has not said that
	later []uint32         // what it got since
}

const (
	// mostEarlyHaves is how many pieces a peer may name one by one before the metadata is known.
	mostEarlyHaves = 4096
	// mostEarlyBytes bounds the bitfields that are kept until metadata is known, of all peers together.
	mostEarlyBytes = 4 << 20
)

// earlyBytes counts what is kept of bitfields until metadata is known, over all swarms.
type earlyBytes struct{ atomic.Int64 }

// charge counts n bytes more, and reports whether they are within the bound.
func (b *earlyBytes) charge(n int) bool {
	if b.Add(int64(n)) > mostEarlyBytes {
		b.Add(int64(-n))
		return false
	}
	return true
}

// takeHaving notes the pieces that a peer has; false if it breaks the protocol. All that it has it says once, before it
// names single pieces (BEP 3, BEP 6), for each time costs as much as the torrent has pieces. Only one that had nothing
// may say so again with what it has found meanwhile, as it may when it has got the metadata.
func (l *live) takeHaving(p *peer, m peerwire.Message) bool {
	h := &p.having
	if m.Type == peerwire.Have {
		h.none = false
	} else {
		if h.said && !h.none {
			return false
		}
		h.none = m.Type == peerwire.HaveNone && !h.said
		h.opened = true
	}
	h.said = true
	if l.info == nil {
		return l.keepHaving(p, m)
	}
	if m.Type == peerwire.Have {
		return l.takeHave(p, m.Index)
	}
	return l.takeAll(p, m)
}

// keepHaving keeps what a peer says until the metadata is known.
func (l *live) keepHaving(p *peer, m peerwire.Message) bool {
	h := &p.having
	switch {
	case m.Type == peerwire.Have:
		if len(h.later) >= mostEarlyHaves {
			return false
		}
		h.later = append(h.later, m.Index)
	case !l.engine.early.charge(len(m.Bitfield)):
		return false // one of too many, or of too many liars
	default:
		l.engine.early.Add(-int64(len(h.first.Bitfield)))
		m.Bitfield = append([]byte(nil), m.Bitfield...)
		h.first = m
	}
	return true
}

// dropHaving forgets what was kept.
func (l *live) dropHaving(p *peer) {
	h := &p.having
	l.engine.early.Add(-int64(len(h.first.Bitfield)))
	h.first, h.later = peerwire.Message{}, nil
}

// recallHaving takes up what a peer said before the metadata was known; false if that was nonsense.
func (l *live) recallHaving(p *peer) bool {
	first, later, opened := p.having.first, p.having.later, p.having.opened
	l.dropHaving(p)
	p.has = peerwire.NewBitfield(l.info.NumPieces())
	if opened && !l.takeAll(p, first) {
		return false
	}
	for _, index := range later {
		if !l.takeHave(p, index) {
			return false
		}
	}
	return true
}

// takeHave notes one piece that a peer has got.
func (l *live) takeHave(p *peer, index uint32) bool {
	if int64(index) >= int64(l.info.NumPieces()) {
		return false
	}
	i := int(index)
	if !p.has.Has(i) {
		p.has.Set(i)
		l.copies[i]++
		l.seenAt(p, index)
	}
	if !p.amInterested && l.wanted(i) {
		p.guess = i
		l.showInterest(p)
	}
	l.partIfUseless(p)
	return true
}

// takeAll notes all that a peer has.
func (l *live) takeAll(p *peer, m peerwire.Message) bool {
	n := l.info.NumPieces()
	has := peerwire.NewBitfield(n)
	switch m.Type {
	case peerwire.HaveAll:
		has.SetAll()
	case peerwire.HaveBitfield:
		var err error
		if has, err = peerwire.ParseBitfield(m.Bitfield, n); err != nil {
			return false
		}
	}
	for i := range n {
		if p.has.Has(i) {
			l.copies[i]--
		}
		if has.Has(i) {
			l.copies[i]++
		}
	}
	p.has = has
	l.showInterest(p)
	l.partIfUseless(p)
	return true
}

// takeDontHave notes that a peer has lost a piece (lt_donthave, BEP 54: a four-byte index). Whether we are still
// interested is looked at with the next tick: it may take a look at every piece.
func (l *live) takeDontHave(p *peer, payload []byte) bool {
	if len(payload) != 4 {
		return false
	}
	i := binary.BigEndian.Uint32(payload)
	if l.info == nil || int64(i) >= int64(l.info.NumPieces()) {
		return l.info == nil
	}
	if p.has.Has(int(i)) {
		p.has.Clear(int(i))
		l.copies[i]--
		p.unsure = true
	}
	return true
}
