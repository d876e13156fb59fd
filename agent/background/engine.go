package background

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// Dialer opens peer connections; satisfied by *peerwire.Port.
type Dialer interface {
	Dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (*peerwire.Conn, error)
}

// Ledger admits fragments to the disk; satisfied by *disk.Ledger.
type Ledger interface {
	// Room reports, as nil or an error, whether Admit would find room beside expected bytes more. It takes none.
	Room(k fragstore.Key, length int64, value float64, expected int64) error
	// Admit takes room for a fragment, and returns what it reclaimed for that, with an error too.
	Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, disk.Reclaimed, error)
	// AdmitAsked admits what the owner asked for: no write budget keeps it waiting.
	AdmitAsked(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, disk.Reclaimed, error)
	Usage() disk.Usage
}

// Announcer finds peers; satisfied by *peersource.Announcer.
type Announcer interface {
	Add(peersource.Torrent)
	Remove(swarm.InfoHash)
	Now(swarm.InfoHash)
}

// Lists speaks ebb_list on the connections of background swarms.
type Lists interface {
	// Ask returns the request to send to the peer, or false when it is not to be asked now.
	Ask(swarm.Introducer) ([]byte, bool)
	// Handle takes a message from the peer and returns the reply to send, if
	// any. After an error the peer is to be dropped.
	Handle(swarm.Introducer, []byte) (reply []byte, err error)
}

// Candidates hands over the swarms that may be joined, and is told what became of them.
type Candidates interface {
	Ready() []swarm.Candidate
	// Joined hears that a swarm is joined, be it a candidate or not. It returns the connection that was dialled to
	// prove the candidate, if that is still open and nobody reads from it; from then on it is the engine's. Otherwise
	// it returns nil.
	Joined(swarm.InfoHash) *peerwire.Conn
	// Fits reports whether a swarm that was joined for that reason may have so many bytes.
	Fits(why swarm.Why, length int64) bool
	// Refused hears that a swarm is not helped; name is what it was known by.
	Refused(h swarm.InfoHash, name string, r swarm.Refusal)
}

// Config is what an Engine works with. Every field is required unless it says otherwise.
type Config struct {
	Dialer      Dialer
	PeerID      [20]byte // ours
	Port        uint16   // the peer port that we announce
	Client      string   // what we call ourselves, such as "ebb 0.1.0"
	Store       *fragstore.Store
	Ledger      Ledger
	Announcer   Announcer
	Lists       Lists
	Candidates  Candidates
	Goal        func() swarm.Goal     // what the choosing strives for now
	UploadLimit func() int64          // bytes per second now; 0: none, negative: unlimited
	Unavailable func() error          // why fragments may be neither read nor written now, nil if they may; asked every second by each live swarm. nil: always nil
	AllowAddr   func(netip.Addr) bool // which addresses may be dialled
	AddNode     func(netip.AddrPort)  // takes DHT nodes that peers name; nil without a DHT
	Log         *slog.Logger
}

const (
	wantedPeers  = 40 // in one swarm: with more, nobody is dialled
	maxDials     = 24 // under way at a time, over all swarms
	joinInterval = 2 * time.Second
	saveInterval = 5 * time.Minute
)

// Engine runs all background swarms.
type Engine struct {
	cfg   Config
	dials chan struct{} // semaphore of maxDials

	table  table
	places places
	awake  awake
	budget writeBudget

	telling  *telling
	inFlight inFlight
	early    earlyBytes
	uploaded atomic.Int64              // bytes of blocks since the engine was made
	heard    atomic.Pointer[time.Time] // when a peer last came, or a tracker or the DHT answered; nil for never
	chose    time.Time                 // when Run last chose swarms

	handing sync.Mutex // held by the one Release, Resume or Forget that runs; taken before all others

	mu  sync.Mutex      // guards ctx; taken after all others
	ctx context.Context // of Run; nil before Run and after it began to end
	wg  sync.WaitGroup  // live swarms, and what brings them peers; grows only while ctx is set
}

// What Join, Leave and others report.
var (
	ErrJoined   = errors.New("already helping this swarm")
	ErrUnknown  = errors.New("not a background swarm")
	ErrMetadata = errors.New("its metadata is too large for the storage that you lend")
	ErrPrivate  = errors.New("private torrent (BEP 27): its tracker decides who takes part, so ebb stays out")
)

// New loads the swarms that the store knows. Nothing runs until Run.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		cfg:    cfg,
		dials:  make(chan struct{}, maxDials),
		table:  table{members: make(map[swarm.InfoHash]*membership), shares: make(map[string]*share)},
		places: places{open: make(map[*peer]struct{}), most: maxConns},
		awake:  newAwake(maxConns), telling: newTelling(),
	}
	for h := range cfg.Store.Swarms() {
		raw, ok := cfg.Store.Swarm(h)
		if !ok {
			continue
		}
		record, err := decodeRecord(raw)
		if err != nil {
			// Without its record a swarm has no trackers and no reason; what
			// it holds could be neither served nor explained.
			cfg.Log.Warn("dropping a background swarm whose record is damaged", "swarm", h.String(), "err", err)
			if err := e.erase(h); err != nil {
				return nil, err
			}
			continue
		}
		s := newMembership(h, record, swarm.UnknownHealth)
		s.count(cfg.Store)
		e.table.enter(s)
		e.value(s)
	}
	return e, nil
}

// value gives the fragments of a swarm that is not live the value that its record lets expect. s.mu is held, or the
// engine not yet in use.
func (e *Engine) value(s *membership) {
	value := choose.Value(choose.Need(s.record.Health, e.cfg.Goal()), s.record.Health.Copies)
	if s.life == lifeReleased {
		value = priceless(0)
	}
	e.cfg.Store.SetValues(s.hash, func(uint32) float64 { return value })
}

// Run announces every swarm, joins new ones as they become ready, and serves, until ctx ends. It returns when every
// goroutine of the engine has ended and every record is saved; it may then be called again. Swarms that are released
// take no part. While it does not run, the background is off: the engine knows no swarm to a peer, and dials none.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	e.mu.Unlock()
	for _, s := range e.table.all() {
		s.mu.Lock()
		e.announce(s)
		s.mu.Unlock()
	}

	join := time.NewTicker(joinInterval)
	defer join.Stop()
	save := time.NewTicker(saveInterval)
	defer save.Stop()
	for {
		select {
		case <-join.C:
			e.chooseSwarms()
		case <-save.C:
			e.save()
		case <-ctx.Done():
			e.mu.Lock()
			e.ctx = nil // nothing goes live from here on
			e.mu.Unlock()
			e.wg.Wait()
			for _, h := range e.Hashes() {
				e.cfg.Announcer.Remove(h)
			}
			e.saveAll()
			return nil
		}
	}
}

// activate makes a swarm live, if it is dormant, the engine runs and there is room. It returns nil if the swarm is not
// live then. s.mu is held.
func (e *Engine) activate(s *membership, how waking) *live {
	if !s.life.serving() {
		return nil
	}
	if s.life == lifeDormant {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.ctx == nil {
			return nil
		}
		l := newLive(e.ctx, e, s)
		if !e.awake.enter(l, costOfLive(s.record.Metadata, s.record.Pieces), how) {
			l.cancel()
			s.denied = true
			return nil
		}
		s.denied = false
		s.life, s.run, s.gained = lifeLive, l, time.Now()
		e.wg.Go(l.loop)
	}
	return s.run
}

// deliver hands something to a live swarm, waking it if it is dormant, unless the disk sleeps (what a swarm is like is
// read from there) or there is no room. A swarm may fall asleep between the look-up and the hand-over; then it is woken
// again.
func (e *Engine) deliver(h swarm.InfoHash, how waking, hand func(*live) bool) bool {
	for {
		s := e.table.get(h)
		if s == nil {
			return false
		}
		s.mu.Lock()
		var l *live
		if s.life != lifeDormant || !e.asleep() {
			l = e.activate(s, how)
		}
		s.mu.Unlock()
		if l == nil {
			return false
		}
		if hand(l) {
			return true
		}
	}
}

// Has reports whether h is a background swarm, be it a released one.
func (e *Engine) Has(h swarm.InfoHash) bool { return e.table.get(h) != nil }

// Serves reports whether connections to a swarm are of any use: whether it is a background swarm and not released.
func (e *Engine) Serves(h swarm.InfoHash) bool {
	s := e.table.get(h)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life != lifeReleased
}

// Running reports whether the background is on.
func (e *Engine) Running() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx != nil
}

// Hashes lists the background swarms, in no order.
func (e *Engine) Hashes() []swarm.InfoHash {
	all := e.table.all()
	hashes := make([]swarm.InfoHash, len(all))
	for i, s := range all {
		hashes[i] = s.hash
	}
	return hashes
}

// Incoming serves a connection that a peer opened to us, until it ends.
func (e *Engine) Incoming(ctx context.Context, c *peerwire.Conn) {
	if !e.places.shut() {
		e.servePeer(&peer{conn: c})
	}
}

// Reclaimed takes note of fragments that the ledger deleted for others than the background's own fetching, and tells
// the owner. It never waits for a swarm.
func (e *Engine) Reclaimed(r disk.Reclaimed) { e.reclaimed(r, nil) }

// reclaimed takes note of what was reclaimed for a fragment of the given swarm; nil: for something else.
func (e *Engine) reclaimed(r disk.Reclaimed, admitting *membership) {
	lost := make(map[swarm.InfoHash][]uint32)
	for _, k := range r.Keys {
		lost[k.Hash] = append(lost[k.Hash], k.Index)
	}
	for h, pieces := range lost {
		name := h.String()
		if s := e.table.get(h); s != nil {
			s.mu.Lock()
			name = s.record.Name
			s.count(e.cfg.Store)
			if s.life == lifeLive || s.life == lifeKeeping {
				s.lost = append(s.lost, pieces...)
				s.crowded = s.crowded || s != admitting
				select {
				case s.run.reclaimed <- struct{}{}:
				default: // it has been told, and will find these too
				}
			}
			s.mu.Unlock()
		}
		what := "1 fragment"
		if len(pieces) != 1 {
			what = fmt.Sprintf("%d fragments", len(pieces))
		}
		swarm.Tell(e.cfg.Log, "reclaimed", h, fmt.Sprintf("reclaimed %s of %s: %s", what, name, r.Why))
	}
}

// save writes the records that changed, unless that would wake the disk.
func (e *Engine) save() {
	if !e.asleep() {
		e.saveAll()
	}
}

func (e *Engine) saveAll() {
	for _, s := range e.table.all() {
		if !s.dirty.Load() {
			continue
		}
		if err := e.saveOne(s); err != nil {
			// A full disk is no reason to stop; the next save tries again.
			e.cfg.Log.Warn("saving a swarm's record", "swarm", s.hash.String(), "err", err)
			return
		}
	}
}

func (e *Engine) saveOne(s *membership) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == lifeLeaving {
		return nil
	}
	return s.put(e.cfg.Store)
}

// Swarms lists the background swarms, oldest first.
func (e *Engine) Swarms() []Status {
	all := e.table.all()
	list := make([]Status, len(all))
	for i, s := range all {
		list[i] = e.status(s)
	}
	slices.SortFunc(list, func(a, b Status) int { return a.Record.Joined.Compare(b.Record.Joined) })
	return list
}

// Swarm returns one background swarm.
func (e *Engine) Swarm(h swarm.InfoHash) (Status, bool) {
	s := e.table.get(h)
	if s == nil {
		return Status{}, false
	}
	return e.status(s), true
}
