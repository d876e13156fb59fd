package background

import (
	"errors"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peerwire"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// The fetch path, in the order in which a fragment meets it. All of it runs on the swarm's goroutine but step 5. What a
// donor has takes another path, see donor.go, and is not wanted from peers.
//
//  1. showInterest: a peer has pieces that we want, so we say so.
//  2. request: the peer has unchoked us. A piece is chosen (choose.Piece) that
//     the ledger would find room for, and its blocks are requested, as many at
//     a time as the peer's rate asks for.
//  3. takeBlock: a block arrives. With the first one the ledger admits the
//     piece, which may cost a fragment of lower value, and gives a writer: a
//     peer that only promises costs nothing. The block is written at its place;
//     the writer hashes what comes in order.
//  4. Should the peer choke us, go, or dawdle, its piece is orphaned: the next
//     peer that has it goes on where it was left. Without a block it is
//     forgotten at once.
//  5. commit, on a goroutine of its own since it syncs the disk: the hash is
//     checked and the fragment becomes part of the store.
//  6. handleCommitted: peers are told; or those who sent bad blocks are shunned.

const (
	minDepth = 4
	maxDepth = 128

	maxFetches    = 12               // pieces in flight in one swarm, but each peer may have one even so
	maxRejects    = 3                // of our requests by one peer, with no piece from it between them, before it is left alone
	blockPatience = 45 * time.Second // for the next block, before a peer counts as snubbing us
	orphanAge     = 2 * time.Minute  // for another peer to take over a piece
	noRoomPause   = 10 * time.Second // before the ledger is asked again
	crowdedPause  = time.Minute      // before fetching after a reclaim: a disk that fills up fills up for a while
	snubPause     = time.Minute      // before a peer that snubbed us is tried again
)

// fetch is a piece in flight.
type fetch struct {
	index    uint32
	length   int64
	writer   *fragstore.Writer  // nil before the first block
	asked    peerwire.Bitfield  // blocks requested
	got      peerwire.Bitfield  // blocks received
	from     *peer              // who sends it now; nil when orphaned
	senders  map[*peer]struct{} // of the blocks received
	orphaned time.Time
}

func (f *fetch) blockLength(block int) int64 {
	return min(peerwire.BlockSize, f.length-int64(block)*peerwire.BlockSize)
}

// orphan takes the piece from its peer. What was received stays; if that is nothing, the piece is given up.
func (l *live) orphan(f *fetch, now time.Time) {
	f.from, f.orphaned = nil, now
	if f.writer == nil {
		l.giveUp(f)
		return
	}
	f.asked = peerwire.NewBitfield(f.got.Len())
	for i := range f.got.Len() {
		if f.got.Has(i) {
			f.asked.Set(i)
		}
	}
}

// abandon gives the piece up, and its room back. Once the writer has gone to commit, that is for the commit to do.
func (f *fetch) abandon() {
	if f.writer != nil && f.got.Count() < f.got.Len() {
		f.writer.Abort()
	}
}

// request keeps a peer that has unchoked us busy.
func (l *live) request(p *peer) {
	if l.info == nil || p.peerChoking || p.snubbed || p.rejects >= maxRejects || !p.amInterested || l.diskAsleep {
		return
	}
	for p.pending < p.depth {
		f, block := p.nextBlock()
		if f == nil {
			if f = l.begin(p); f == nil {
				return
			}
			continue
		}
		f.asked.Set(block)
		if p.pending == 0 {
			p.lastBlock = time.Now() // its time to answer begins here
			p.use(p.lastBlock)
		}
		p.pending++
		p.send(peerwire.Message{
			Type: peerwire.Request, Index: f.index,
			Begin: uint32(block * peerwire.BlockSize), Length: uint32(f.blockLength(block)),
		})
	}
}

// nextBlock is the next block to request of the pieces that the peer sends.
func (p *peer) nextBlock() (*fetch, int) {
	for _, f := range p.fetches {
		if f.asked.Count() == f.asked.Len() {
			continue
		}
		for i := range f.asked.Len() {
			if !f.asked.Has(i) {
				return f, i
			}
		}
	}
	return nil, 0
}

// begin gives the peer a piece: an orphaned one that it has, or a new one.
func (l *live) begin(p *peer) *fetch {
	for _, f := range l.fetches {
		if f.from == nil && f.got.Count() < f.got.Len() && p.has.Has(int(f.index)) {
			f.from = p
			p.fetches = append(p.fetches, f)
			return f
		}
	}
	// Each peer may send one piece, whatever the others do: slow ones must not keep a quick one idle.
	if len(l.fetches) >= maxFetches && len(p.fetches) > 0 || time.Now().Before(l.pausedUntil) {
		return nil
	}
	want := func(i int) bool { return p.has.Has(i) && l.wanted(i) && l.fetches[uint32(i)] == nil }
	i, ok := choose.Piece(l.copies, want, l.rnd)
	if !ok || !l.makeWay() {
		return nil
	}
	length := l.info.PieceLen(i)
	if err := l.charge(length); err != nil {
		l.putOff(err, errors.Is(err, disk.ErrBudget))
		return nil
	}
	if err := l.engine.cfg.Ledger.Room(l.key(i), length, l.value(i), l.engine.inFlight.expected.Load()); err != nil {
		l.swarm.refund(length)
		l.noRoom(i, length, err)
		return nil
	}
	l.waitNoMore()
	blocks := int((length + peerwire.BlockSize - 1) / peerwire.BlockSize)
	f := &fetch{
		index: uint32(i), length: length,
		asked: peerwire.NewBitfield(blocks), got: peerwire.NewBitfield(blocks),
		from: p, senders: make(map[*peer]struct{}),
	}
	l.fetches[f.index] = f
	l.engine.inFlight.begin(length)
	p.fetches = append(p.fetches, f)
	return f
}

// takeBlock writes a block that we asked this peer for; any other is ignored, for it may have crossed our cancel.
func (l *live) takeBlock(p *peer, m peerwire.Message) bool {
	if l.info == nil {
		return false
	}
	if p.snubbed { // no longer; and asked for again, even this block is of use
		p.snubbed = false
		l.request(p)
	}
	f := l.fetches[m.Index]
	block := int(m.Begin / peerwire.BlockSize)
	if f == nil || f.from != p || m.Begin%peerwire.BlockSize != 0 || block >= f.got.Len() ||
		!f.asked.Has(block) || f.got.Has(block) || int64(len(m.Block)) != f.blockLength(block) {
		return true
	}
	now := time.Now()
	p.pending--
	p.lastBlock, p.received = now, p.received+int64(len(m.Block))
	p.use(now)
	if f.writer == nil && !l.admit(f, block) {
		return true
	}
	if _, err := f.writer.WriteAt(m.Block, int64(m.Begin)); err != nil {
		// The disk is full or the room was reclaimed.
		f.asked.Clear(block) // it is no longer outstanding
		l.engine.cfg.Log.Debug("fragment given up", "swarm", l.info.Name, "err", err)
		l.pause(noRoomPause, waitsFor(err))
		l.giveUp(f)
		return true
	}
	f.got.Set(block)
	f.senders[p] = struct{}{}
	l.swarm.account(0, int64(len(m.Block)))
	if f.got.Count() == f.got.Len() {
		p.drop(f)
		l.commit(f)
	}
	l.request(p)
	return true
}

// drop takes a fetch off the peer's list.
func (p *peer) drop(f *fetch) {
	for i, g := range p.fetches {
		if g == f {
			p.fetches = append(p.fetches[:i], p.fetches[i+1:]...)
			return
		}
	}
}

// outstanding is the number of blocks of the fetch that were requested and have not come.
func (f *fetch) outstanding() int { return f.asked.Count() - f.got.Count() }

// giveUp ends a fetch before it is complete.
func (l *live) giveUp(f *fetch) {
	if p := f.from; p != nil {
		l.cancelRequests(p, f)
		p.drop(f)
	}
	f.abandon()
	l.forget(f)
}

// forget takes a piece off those in flight.
func (l *live) forget(f *fetch) {
	delete(l.fetches, f.index)
	l.engine.inFlight.end(f)
	l.swarm.refund(f.length)
}

// cancelRequests takes back what was requested of a fetch.
func (l *live) cancelRequests(p *peer, f *fetch) {
	for i := range f.asked.Len() {
		if f.asked.Has(i) && !f.got.Has(i) {
			p.send(peerwire.Message{
				Type: peerwire.Cancel, Index: f.index,
				Begin: uint32(i * peerwire.BlockSize), Length: uint32(f.blockLength(i)),
			})
		}
	}
	p.pending -= f.outstanding()
}

// orphanAll orphans all that the peer was to send.
func (p *peer) orphanAll(now time.Time) {
	fetches := p.fetches
	p.fetches, p.pending = nil, 0
	for _, f := range fetches {
		p.live.orphan(f, now)
	}
}

func (l *live) takeChoke(p *peer) {
	p.peerChoking = true
	// With the fast extension each request is answered, by a reject if need be (BEP 6); without it a choke drops them
	// all. Either way the pieces are better taken from another peer; rejects that follow find nothing.
	p.orphanAll(time.Now())
}

// takeReject gives a piece back to be had from another peer. One that goes on rejecting, with no piece from it between, is
// asked no more.
func (l *live) takeReject(p *peer, m peerwire.Message) {
	f := l.fetches[m.Index]
	if f == nil || f.from != p {
		return
	}
	block := int(m.Begin / peerwire.BlockSize)
	if block >= f.asked.Len() || !f.asked.Has(block) || f.got.Has(block) {
		return
	}
	// A peer that rejects does not have the piece, or not for us: another may.
	if l.info != nil && p.has.Has(int(m.Index)) {
		p.has.Clear(int(m.Index))
		l.copies[m.Index]--
	}
	f.asked.Clear(block) // which is answered
	p.pending--
	l.cancelRequests(p, f)
	p.drop(f)
	l.orphan(f, time.Now())
	p.rejects++
	l.showInterest(p)
	l.request(p)
}

// tick keeps a peer's rate and depth, and watches for requests that are not answered.
func (p *peer) tick(now time.Time) {
	if p.unsure {
		p.unsure = false
		p.live.showInterest(p)
	}
	p.rate += (float64(p.received) - p.rate) / 10
	p.received = 0
	// Two seconds' worth keeps the pipe full over long round trips.
	p.depth = min(max(int(2*p.rate/peerwire.BlockSize), minDepth), maxDepth)
	if reqq := p.conn.Peer().Reqq; reqq > 0 {
		p.depth = min(p.depth, reqq)
	}
	switch silent := now.Sub(p.lastBlock); {
	case p.snubbed && silent > blockPatience+snubPause:
		// It may have been our own line that was too full, or held back.
		p.snubbed = false
	case p.pending > 0 && silent > blockPatience:
		for _, f := range p.fetches {
			p.live.cancelRequests(p, f)
		}
		p.orphanAll(now)
		p.snubbed = true
	}
}

// expireFetches gives up pieces that no peer has taken over, or that the peer that sends them has stopped sending.
func (l *live) expireFetches(now time.Time) {
	for _, f := range l.fetches {
		if f.from == nil && f.got.Count() < f.got.Len() && now.Sub(f.orphaned) > orphanAge {
			l.giveUp(f)
		}
	}
}
