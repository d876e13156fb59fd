package background

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// The serve path, in the order in which a request meets it.
//
//  1. unchoke: every few seconds choose.Unchoked picks whose turn it is; a peer
//     that becomes interested while a slot is free is taken at once. See turns.go.
//  2. takeRequest: a request is checked and queued on its connection.
//  3. On the connection's writer, when the block's turn comes: the fragment is
//     opened (and, after an unclean stop, hashed again), the block is brought
//     into the page cache, and its bytes go out, through the bandwidth limit, by
//     sendfile where nothing encrypts them. While the disk sleeps nothing is
//     opened: the request is rejected, and the fragment stays held.
//     The fragment stays open for the next block of it, see kept.
//  4. There too: the block leaves the page cache if few want it, and is counted.
//
// While the disk sleeps, step 1 picks nobody.

const (
	maxQueuedBlocks = 250     // requests of one peer that may wait; told in the extension handshake. See servePeer
	storyStep       = 2 << 20 // bytes served to a peer that the story tells of first; then twice as many, and so on
)

func (l *live) letIn(p *peer, now time.Time) {
	if p.amChoking {
		p.amChoking = false
		cost := p.cost.Load()
		p.turns.began, p.turns.charged, p.turns.start, p.turns.taken = now, now, cost, cost
		p.send(peerwire.Message{Type: peerwire.Unchoke})
	}
}

func (l *live) choke(p *peer, now time.Time) {
	if p.amChoking {
		return
	}
	l.chargeTurn(p, now, l.meanRate(now))
	p.amChoking, p.chokedAt = true, now
	p.send(peerwire.Message{Type: peerwire.Choke})
	p.kept.close()
	for _, b := range p.conn.DropBlocks() {
		l.reject(p, b.Index, b.Begin, b.Length)
	}
}

// reject answers a request that is not served, to a peer that knows the word (BEP 6).
func (l *live) reject(p *peer, index, begin, length uint32) {
	p.rejected.Add(1)
	if p.conn.Fast() {
		p.send(peerwire.Message{Type: peerwire.Reject, Index: index, Begin: begin, Length: length})
	}
}

const (
	// freeRejects is how many requests may be rejected for nothing: a stock client has some hundreds under way when it is
	// choked.
	freeRejects = 4 * maxQueuedBlocks
	// rejectsPerSecond is how fast more are.
	rejectsPerSecond = 20
	// longestBreath bounds what one request waits, so that the connection does not seem dead.
	longestBreath = 5 * time.Second
)

const (
	// shortBlock is what no stock client asks for less of, but at the end of a piece. Bytes.
	shortBlock = 4 << 10
	// oddCost is how many rejections a shorter one counts for: it takes as many turns on the line, and as much looking up,
	// as a whole one.
	oddCost = 10
)

// odd reports whether a request asks for less than is worth its while.
func odd(m peerwire.Message, pieceLen int64) bool {
	return m.Length < shortBlock && int64(m.Begin)+int64(m.Length) < pieceLen
}

// breathe holds up the reading of a peer that asks for more than is kept, for what it cannot have, or for crumbs: a request has 17
// bytes, and so has its rejection, and thousands of them would have the line and the turns that others wait for. False if
// the connection is closed.
func (p *peer) breathe() bool {
	p.conn.AwaitRoom()
	wait := breath(p.rejected.Load(), time.Since(p.connected))
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.conn.Done():
		return false
	}
}

// breath is how long to wait after so many rejections in so much time.
func breath(rejected int64, connected time.Duration) time.Duration {
	over := float64(rejected-freeRejects)/rejectsPerSecond - connected.Seconds()
	return time.Duration(min(max(over, 0), longestBreath.Seconds()) * float64(time.Second))
}

// takeRequest queues a block to be sent; false if no honest peer asks so.
func (l *live) takeRequest(p *peer, m peerwire.Message) bool {
	if l.info == nil || int64(m.Index) >= int64(l.info.NumPieces()) || m.Length == 0 || m.Length > peerwire.MaxRequest ||
		int64(m.Begin)+int64(m.Length) > l.info.PieceLen(int(m.Index)) {
		return false
	}
	if p.amChoking || !l.held.Has(int(m.Index)) || p.conn.Fast() && p.conn.QueuedBlocks() >= maxQueuedBlocks {
		l.reject(p, m.Index, m.Begin, m.Length)
		return true
	}
	if odd(m, l.info.PieceLen(int(m.Index))) {
		p.rejected.Add(oddCost)
	}
	l.lend(p, m.Index)
	key := fragstore.Key{Hash: l.swarm.hash, Index: m.Index}
	sum := l.info.PieceHash(int(m.Index))
	return p.conn.SendBlock(peerwire.BlockRequest{
		Index: m.Index, Begin: m.Begin, Length: m.Length,
		Source: func() (peerwire.BlockSource, error) {
			r, err := l.fragment(p, key, sum)
			if err != nil {
				l.sourceFailed(key, err)
				return nil, err
			}
			done := func() { p.kept.put(key.Index, r) }
			return openBlock(r, int64(m.Begin), int64(m.Length), p.conn.QueuedBlocks() > 0, done), nil
		},
		Sent: func(n int) { l.blockSent(p, key, int64(n)) },
	}) == nil
}

// fragment opens a fragment for a peer, unless it is open. It runs on the connection's writer.
func (l *live) fragment(p *peer, key fragstore.Key, sum [20]byte) (reader, error) {
	if r := p.kept.take(key.Index); r != nil {
		if l.engine.cfg.Store.Has(key) && !l.engine.asleep() {
			return r, nil
		}
		if err := r.Close(); err != nil {
			return nil, err
		}
	}
	return l.engine.cfg.Store.Open(key, sum) // it knows why not
}

// reader is an open fragment; *fragstore.Reader is one.
type reader interface {
	peerwire.BlockSource
	Prefetch(off, n int64)
	Served(off, n int64)
}

// servedBlock is a block of an open fragment that is being sent.
type servedBlock struct {
	reader
	begin, length int64
	done          func() // takes the fragment back
}

// openBlock has the kernel read a block without hurry, before it is sent; and if
// more wait to be sent, the one after it, for peers mostly ask for them in order.
func openBlock(r reader, begin, length int64, more bool, done func()) servedBlock {
	ahead := length
	if more {
		ahead *= 2
	}
	r.Prefetch(begin, ahead)
	return servedBlock{r, begin, length, done}
}

// Close gives the fragment back, and lets go of the block's pages if few want them.
func (b servedBlock) Close() error {
	b.Served(b.begin, b.length)
	b.done()
	return nil
}

// sourceFailed runs on a connection's writer when a fragment cannot be read. The swarm is told without waiting for it,
// for it may be waiting for this very writer to end.
func (l *live) sourceFailed(key fragstore.Key, err error) {
	if errors.Is(err, fragstore.ErrDamaged) {
		l.engine.cfg.Log.Warn("a stored fragment was damaged; deleted", "swarm", key.Hash.String(), "piece", key.Index)
	}
	select {
	case l.damaged <- key.Index:
	default: // many at once; the next request for it tells again
	}
}

// blockSent runs on a connection's writer after a block went out.
func (l *live) blockSent(p *peer, key fragstore.Key, n int64) {
	l.engine.cfg.Store.Served(key, n)
	l.swarm.account(n, 0)
	p.use(time.Now())
	l.engine.uploaded.Add(n)
	p.cost.Add(n + requestCost)
	sent := p.sent.Add(n)
	if bits.Len64(uint64(sent/storyStep)) > bits.Len64(uint64((sent-n)/storyStep)) {
		swarm.Tell(l.engine.cfg.Log, "served", key.Hash, fmt.Sprintf("served %.1f MiB to %s (%s): %s",
			float64(sent)/(1<<20), p.conn.RemoteAddr(), cmp.Or(p.conn.Peer().V, swarm.PeerID(p.conn.PeerID()).Client()), l.info.Name))
	}
}

// tellLost lets a peer know that fragments are gone: by lt_donthave if it
// speaks that, by rejects if it speaks BEP 6, else by hanging up.
func (l *live) tellLost(p *peer, pieces []uint32) {
	if p.conn.Peer().M[peerwire.ExtensionDontHave] != 0 {
		for _, i := range pieces {
			if p.conn.SendExtended(peerwire.ExtensionDontHave, binary.BigEndian.AppendUint32(nil, i)) != nil {
				p.conn.Close()
				return
			}
		}
		return
	}
	if !p.conn.Fast() {
		p.conn.Close()
	}
}
