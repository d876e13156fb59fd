package background

import (
	"errors"
	"fmt"
	"time"

	"ebb/agent/peerwire"
)

// A swarm joined by its info-hash alone gets its metadata from one peer at a
// time (BEP 9): if the hash of the whole is wrong it is clear who lied.

const (
	metadataPatience = 30 * time.Second // for a peer to send all of it
	metadataDepth    = 8                // pieces of 16 KiB requested at a time
)

// metadataSeek is the search for the metadata of a swarm.
type metadataSeek struct {
	from  *peer // who sends it now; nil when nobody does
	fetch *peerwire.MetadataFetch
	until time.Time          // nobody else is asked before
	tried map[*peer]struct{} // connected peers that did not deliver
}

// failed lets the next peer be asked.
func (m *metadataSeek) failed(p *peer) {
	m.tried[p] = struct{}{}
	m.from, m.until = nil, time.Time{}
}

// seekMetadata asks a peer that offers the metadata, if none is being asked.
func (l *live) seekMetadata(now time.Time) {
	m := l.meta
	if now.Before(m.until) {
		return
	}
	if m.from != nil {
		m.failed(m.from)
	}
	for p := range l.peers {
		if _, tried := m.tried[p]; tried {
			continue
		}
		x := p.conn.Peer()
		if x.MetadataSize == 0 || x.M[peerwire.ExtensionMetadata] == 0 {
			continue
		}
		fetch, err := peerwire.NewMetadataFetch(l.swarm.hash, x.MetadataSize, peerwire.MaxMetadata, new(peerwire.MetadataMemory))
		if err != nil {
			p.conn.Close() // no torrent has metadata of that size
			continue
		}
		m.from, m.fetch, m.until = p, fetch, now.Add(metadataPatience)
		for range metadataDepth {
			l.requestMetadata(p)
		}
		return
	}
	if len(m.tried) > 0 {
		clear(m.tried) // everybody failed once: begin again after a rest
		m.until = now.Add(metadataPatience)
	}
}

func (l *live) requestMetadata(p *peer) {
	if _, request, ok := l.meta.fetch.Next(); ok {
		if p.conn.SendExtended(peerwire.ExtensionMetadata, request) != nil {
			p.conn.Close()
		}
	}
}

// takeMetadata handles a ut_metadata message: a request from a peer that lacks
// the metadata, or an answer to one of ours.
func (l *live) takeMetadata(p *peer, payload []byte) bool {
	m, err := peerwire.ParseMetadataMessage(payload)
	if err != nil {
		return false
	}
	if m.Kind == peerwire.MetadataRequest {
		return l.answerMetadata(p, m.Piece)
	}
	if l.meta == nil || l.meta.from != p {
		return true
	}
	if m.Kind == peerwire.MetadataReject {
		l.meta.failed(p)
		l.seekMetadata(time.Now())
		return true
	}
	done, err := l.meta.fetch.Add(m)
	var raw []byte
	if done {
		raw, err = l.meta.fetch.Info()
	}
	switch {
	case errors.Is(err, peerwire.ErrMetadataHash):
		l.book.Ban(p.conn.RemoteAddr().Addr())
		return false
	case err != nil:
		return false
	case !done:
		l.requestMetadata(p)
		return true
	}
	l.learn(raw)
	return true
}

// answerMetadata answers a request for a piece of the metadata, when its turn comes. A peer that has more requests
// waiting than are kept, or for whom there is nothing left to tell, is told so, and may ask again; false if it does not
// even read that, or asks too often.
func (l *live) answerMetadata(p *peer, piece int) bool {
	raw := l.raw
	length := min(int64(len(raw))-int64(piece)*peerwire.MetadataPiece, peerwire.MetadataPiece)
	if length <= 0 || !l.engine.telling.allow(p.host(), length, l.engine.cfg.UploadLimit(), time.Now()) {
		return p.untold(piece)
	}
	err := p.conn.SendExtendedLater(peerwire.ExtensionMetadata, func() []byte { return peerwire.MetadataReply(raw, piece) })
	if errors.Is(err, peerwire.ErrQueueFull) {
		return p.untold(piece)
	}
	return err == nil
}

// learn takes up metadata whose hash is right. What is in it may still be
// nonsense, or private, and then the swarm is none for us.
func (l *live) learn(raw []byte) {
	info, err := peerwire.ParsePieces(raw)
	if err != nil {
		l.refuse(fmt.Errorf("%w: %w", errUnusable, err))
		return
	}
	if info.Private {
		l.refuse(ErrPrivate)
		return
	}
	l.swarm.mu.Lock()
	why := l.swarm.record.Why
	l.swarm.mu.Unlock()
	if !l.engine.cfg.Candidates.Fits(why, info.Length) {
		l.refuse(sizeError{info.Length})
		return
	}
	if !l.engine.fitsMetadata(int64(len(raw))) {
		l.refuse(ErrMetadata)
		return
	}
	if err := l.engine.cfg.Store.PutMetadata(info.Hash, raw); err != nil {
		l.engine.cfg.Log.Warn("storing metadata", "swarm", info.Name, "err", err)
		l.meta.from, l.meta.until = nil, time.Now().Add(metadataPatience) // when the disk may have recovered
		return
	}
	l.know(info, raw)
	for p := range l.peers {
		if !l.recallHaving(p) {
			p.conn.Close()
		}
		if p.conn.Extended() {
			l.introduce(p)
		}
		l.tellHeld(p)
		l.request(p)
	}
	l.publish()
}

// tellHeld tells a peer what we hold after all, when the metadata had been lost and it was greeted as if we held
// nothing. If that is much, it is let go, to be greeted with a bitfield the next time.
func (l *live) tellHeld(p *peer) {
	const much = 1000
	if l.held.Count() > much {
		p.conn.Close()
		return
	}
	for i := range l.held.Len() {
		if l.held.Has(i) {
			p.send(peerwire.Message{Type: peerwire.Have, Index: uint32(i)})
		}
	}
}
