package background

import (
	"context"
	"math/rand/v2"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/quota/disk/fragstore"
)

// live is a swarm that has, or seeks, peers. Its goroutine, loop, owns every field; all others talk to it through the
// channels and must use post, which gives up once the swarm has fallen asleep.
type live struct {
	engine *Engine
	swarm  *membership
	ctx    context.Context
	cancel context.CancelFunc
	deaf   chan struct{} // closed when loop no longer receives
	done   chan struct{} // closed when loop has ended and all that it started
	wg     sync.WaitGroup
	rnd    *rand.Rand

	// What can happen to a live swarm, in the order of a connection's life.
	found     chan []netip.AddrPort // addresses of possible peers
	dialed    chan dialResult
	joined    chan *peer
	messages  chan message
	parted    chan *peer
	given     chan Donor
	donated   chan donated
	committed chan commit   // a fragment was stored, or could not be
	damaged   chan uint32   // a fragment could not be read when it was to be served; buffered
	reclaimed chan struct{} // swarm.lost has grown; buffered
	yield     chan struct{} // the memory is for others, see awake; buffered

	lonely atomic.Pointer[time.Time] // since when it has had no peer; nil while it has one. Anybody may read it

	info     *peerwire.Info // nil until the metadata is known
	raw      []byte         // the info dictionary, as its hash has it
	meta     *metadataSeek  // nil once the metadata is known
	held     peerwire.Bitfield
	copies   []uint16 // by piece: connected peers that have it
	peers    map[*peer]struct{}
	book     peersource.Book
	fetches  map[uint32]*fetch
	donation *donation // nil without a donor
	need     float64
	lent     map[uint32]*peer // by piece: who alone asked us for it, nil if several did
	scarce   []int            // of the pieces that we hold, some of the scarcest
	guess    int              // where to look first for a wanted piece

	onlyUpload bool // we want nothing, as peers were told (BEP 21)
	diskAsleep bool // the disk sleeps: nothing is served, fetched or dialled

	pausedUntil time.Time // no new fetch before then: the ledger had no room
	lastUseful  time.Time // when there was last a reason to be awake
	nextUnchoke time.Time
	moreSlots   int       // see choose.MoreSlots
	adapted     time.Time // when that was decided
	uploaded    int64     // what the whole engine had uploaded then
	nextValues  time.Time
	nextPEX     time.Time
}

// A live swarm without peers falls asleep after this long.
const dormantAfter = 90 * time.Second

const (
	valuesInterval = 30 * time.Second
	pexInterval    = 60 * time.Second // BEP 11
)

type message struct {
	from *peer
	peerwire.Message
}

// post hands v to a live swarm; false when the swarm has fallen asleep.
func post[T any](l *live, ch chan<- T, v T) bool {
	select {
	case ch <- v:
		return true
	case <-l.deaf:
		return false
	}
}

// newLive makes a dormant swarm's next life. s.mu is held.
func newLive(ctx context.Context, e *Engine, s *membership) *live {
	l := &live{
		engine:    e,
		swarm:     s,
		deaf:      make(chan struct{}),
		done:      make(chan struct{}),
		rnd:       rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		found:     make(chan []netip.AddrPort),
		dialed:    make(chan dialResult),
		joined:    make(chan *peer),
		messages:  make(chan message),
		parted:    make(chan *peer),
		given:     make(chan Donor),
		donated:   make(chan donated),
		committed: make(chan commit),
		damaged:   make(chan uint32, 16),
		reclaimed: make(chan struct{}, 1),
		yield:     make(chan struct{}, 1),
		peers:     make(map[*peer]struct{}),
		book:      peersource.NewBook(),
		fetches:   make(map[uint32]*fetch),
		lent:      make(map[uint32]*peer),
	}
	l.ctx, l.cancel = context.WithCancel(ctx)
	now := time.Now()
	l.lonely.Store(&now)
	for _, text := range s.record.Peers {
		if a, err := netip.ParseAddrPort(text); err == nil {
			l.book.Add(a)
		}
	}
	return l
}

// loop is the life of a live swarm.
func (l *live) loop() {
	l.load()
	tick := time.NewTicker(tickLength)
	defer tick.Stop()
	defer l.end()
	for {
		select {
		case addrs := <-l.found:
			l.handleFound(addrs)
		case r := <-l.dialed:
			l.handleDialed(r)
		case p := <-l.joined:
			l.handleJoined(p)
		case m := <-l.messages:
			l.handleMessage(m.from, m.Message)
		case p := <-l.parted:
			l.handleParted(p)
		case d := <-l.given:
			l.handleGiven(d)
		case r := <-l.donated:
			l.handleDonated(r)
		case c := <-l.committed:
			l.handleCommitted(c)
		case index := <-l.damaged:
			l.handleLost([]uint32{index})
		case <-l.reclaimed:
			l.handleReclaimed()
		case <-tick.C:
			l.handleTick(time.Now())
			if l.goDormant(false) {
				return
			}
		case <-l.yield:
			if l.goDormant(true) {
				return
			}
			l.engine.awake.stay(l, l.cost())
		case <-l.ctx.Done():
			return
		}
	}
}

// load takes up the metadata, if it is stored.
func (l *live) load() {
	now := time.Now()
	l.lastUseful, l.nextUnchoke, l.nextPEX = now, now, now.Add(pexInterval)
	l.uploaded, l.adapted = l.engine.uploaded.Load(), now
	l.diskAsleep = l.engine.asleep()
	if raw, ok := l.engine.cfg.Store.Metadata(l.swarm.hash); ok {
		if info, err := peerwire.ParsePieces(raw); err == nil && info.Hash == l.swarm.hash {
			l.know(info, raw)
			return
		}
		l.engine.cfg.Log.Warn("stored metadata is damaged; asking peers again", "swarm", l.swarm.hash.String())
	}
	l.meta = &metadataSeek{tried: make(map[*peer]struct{})}
}

// know takes up checked metadata.
func (l *live) know(info *peerwire.Info, raw []byte) {
	l.info, l.raw, l.meta = info, raw, nil
	l.swarm.mu.Lock()
	l.swarm.up.total, l.swarm.down.total = l.swarm.uploaded.Load(), l.swarm.downloaded.Load()
	l.swarm.mu.Unlock()
	l.held = peerwire.NewBitfield(info.NumPieces())
	for _, i := range l.engine.cfg.Store.Held(info.Hash) {
		if int(i) < info.NumPieces() {
			l.held.Set(int(i))
		}
	}
	l.copies = make([]uint16, info.NumPieces())
	l.engine.awake.learned(l, info, raw)
	l.offer()
	l.publish()
	l.onlyUpload = !l.wants()
}

// goDormant decides whether the swarm is to wait for somebody to come, and makes it dormant in the same step in which
// no sender can find it live any more. One that is asked to goes soon, though not while it has company.
func (l *live) goDormant(asked bool) bool {
	if len(l.peers) > 0 || len(l.fetches) > 0 || l.donation != nil {
		return false
	}
	if !asked && (l.book.Dialing > 0 || time.Since(l.lastUseful) < dormantAfter && !l.engine.places.shut()) {
		return false
	}
	l.swarm.mu.Lock()
	defer l.swarm.mu.Unlock()
	if l.swarm.life != lifeLive { // a donor is on its way, or the end
		return false
	}
	l.swarm.life = lifeDormant
	l.swarm.stop()
	return true
}

// end closes everything and waits for it. Whoever is about to post gives up.
func (l *live) end() {
	l.cancel()
	close(l.deaf)
	for p := range l.peers {
		p.conn.Close()
		l.engine.places.free(p)
		l.dropHaving(p)
	}
	for _, f := range l.fetches {
		f.abandon()
		l.engine.inFlight.end(f)
	}
	s := l.swarm
	s.mu.Lock()
	if s.run == l { // else it fell asleep, with nothing left, and is awake again
		if s.life.serving() {
			s.life = lifeDormant
		}
		s.stop()
	}
	s.mu.Unlock()
	l.wg.Wait()
	s.mu.Lock()
	left := s.life == lifeLeaving
	s.mu.Unlock()
	l.endDonation(left)
	l.engine.awake.leave(l)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.run == l {
		s.run = nil
	}
	close(l.done) // under the lock: whoever waited for it finds no run any more
}

// publish shows the swarm's state to the rest of the engine.
func (l *live) publish() {
	goal, s := l.engine.cfg.Goal(), l.swarm
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.info != nil && s.record.Pieces == 0 {
		s.record.describe(l.info, len(l.raw))
		s.dirty.Store(true)
		l.engine.table.learned(s.record.Metadata)
	}
	s.peers = len(l.peers)
	if s.peers > 0 {
		s.record.LastPeer = time.Now()
		s.dirty.Store(true)
	}
	if l.info != nil && len(l.peers) > 0 {
		seeds, leechers := l.census()
		h := &s.record.Health
		h.Seeds, h.Leechers = max(s.told.Seeds, seeds), max(s.told.Leechers, leechers)
		h.Copies = l.rarest()
	}
	l.need = choose.Need(s.record.Health, goal)
	l.tallyLocked()
}

// tally shows that the swarm holds another fragment, and whether it wants more.
func (l *live) tally() {
	l.swarm.mu.Lock()
	defer l.swarm.mu.Unlock()
	l.swarm.gained = time.Now()
	l.tallyLocked()
}

func (l *live) tallyLocked() {
	s := l.swarm
	s.count(l.engine.cfg.Store)
	if s.fetching && l.info != nil {
		s.fetching = l.wants()
	}
}

// census counts the connected peers that hold everything and those that do not.
func (l *live) census() (seeds, leechers int) {
	for p := range l.peers {
		if p.has.Len() > 0 && p.has.Count() == p.has.Len() {
			seeds++
		} else {
			leechers++
		}
	}
	return seeds, leechers
}

// rarest is the number of copies of the rarest piece among connected peers.
func (l *live) rarest() int {
	lowest := uint16(len(l.peers))
	for _, n := range l.copies {
		lowest = min(lowest, n)
	}
	return int(lowest)
}

func (l *live) handleTick(now time.Time) {
	l.measure()
	l.followDisk(now)
	for p := range l.peers {
		p.tick(now)
		p.kept.tick()
	}
	l.expireFetches(now)
	if l.meta != nil && !l.diskAsleep {
		l.seekMetadata(now)
	}
	l.draw(now)
	for p := range l.peers {
		l.request(p)
	}
	if !now.Before(l.nextUnchoke) {
		l.unchoke(now)
	} else {
		l.endIdleTurns(now)
	}
	if !now.Before(l.nextPEX) {
		l.nextPEX = now.Add(pexInterval)
		l.sendPEX()
	}
	if l.info != nil && !now.Before(l.nextValues) {
		l.nextValues = now.Add(valuesInterval)
		l.publish()
		l.revalue()
		l.review()
	}
	l.dial(now)
	if len(l.peers) > 0 {
		l.lastUseful = now
	}
}

// measure takes the swarm's rates.
func (l *live) measure() {
	s := l.swarm
	s.mu.Lock()
	defer s.mu.Unlock()
	s.up.measure(s.uploaded.Load())
	s.down.measure(s.downloaded.Load())
}

// revalue tells the store what each fragment of this swarm is worth now.
func (l *live) revalue() {
	need, copies := l.need, l.copies
	l.engine.cfg.Store.SetValues(l.swarm.hash, func(i uint32) float64 {
		if int(i) >= len(copies) {
			return 0
		}
		return choose.Value(need, int(copies[i]))
	})
}

func (l *live) handleReclaimed() {
	l.swarm.mu.Lock()
	lost, crowded := l.swarm.lost, l.swarm.crowded
	l.swarm.lost, l.swarm.crowded = nil, false
	l.swarm.mu.Unlock()
	if crowded {
		l.pause(crowdedPause, waitsForRoom)
	}
	l.handleLost(lost)
}

// handleLost takes note of fragments that are no longer here. BitTorrent has no word for that but lt_donthave, which
// few speak; a peer that speaks the fast extension is told by a reject when it asks, and the others are let go, for
// they would wait for ever.
func (l *live) handleLost(pieces []uint32) {
	if l.info == nil {
		return
	}
	pieces = slices.DeleteFunc(pieces, func(i uint32) bool {
		// It may have come again by now, or only have been unreadable once.
		return !l.held.Has(int(i)) || l.engine.cfg.Store.Has(fragstore.Key{Hash: l.swarm.hash, Index: i})
	})
	if len(pieces) == 0 {
		return
	}
	for _, i := range pieces {
		l.held.Clear(int(i))
	}
	for p := range l.peers {
		p.kept.lose(l.held.Has)
		l.tellLost(p, pieces)
	}
	l.publish()
	l.review()
}
