package background

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/background/choose"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
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
	Goal        func() prefs.Goal     // what the choosing strives for now
	UploadLimit func() int64          // bytes per second now; 0: none, negative: unlimited
	Unavailable func() error          // why fragments may be neither read nor written now, nil if they may; asked every second by each live swarm. nil: always nil
	AllowAddr   func(netip.Addr) bool // which addresses may be dialled
	AddNode     func(netip.AddrPort)  // takes DHT nodes that peers name; nil without a DHT
	Log         *slog.Logger
}

const (
	maxPeers     = 40 // in one swarm
	maxDials     = 24 // under way at a time, over all swarms
	joinInterval = 2 * time.Second
	saveInterval = 5 * time.Minute
)

// Engine runs all background swarms.
type Engine struct {
	cfg   Config
	dials chan struct{} // semaphore of maxDials

	handing sync.Mutex // held by the one Release, Resume or Forget that runs; taken before mu

	mu     sync.Mutex // guards everything below, and the fields of each swarm
	swarms map[swarm.InfoHash]*helped
	open   map[*peer]struct{} // connections, over all swarms
	most   int                // of them; see SetMostConns
	budget budget
	ctx    context.Context // of Run; nil before Run and after it began to end
	wg     sync.WaitGroup  // live swarms and their peers
}

// swarm is what is always in memory of a background swarm. Its fields are
// guarded by Engine.mu.
type helped struct {
	hash       swarm.InfoHash
	record     Record
	introducer string          // whose share of the store it uses; see swarm.Introducer.Key
	told       swarm.Health    // what its trackers said last, or else its introducer
	live       *live           // nil while dormant
	over       <-chan struct{} // closed when the last life has ended, and all that it started; nil after that
	fragments  int
	bytes      int64 // of the fragments held
	inFlight   int64 // of the pieces being fetched
	peers      int
	fetching   bool // there are pieces that we want and may store
	dirty      bool // record differs from the one on disk
	leaving    bool // Leave is at work: it goes live no more, and is not saved
	up, down   rate
	gained     time.Time // when it last went live or stored a fragment
	woken      time.Time // when the engine last woke it to look for peers
	lost       []uint32  // reclaimed pieces that the live swarm has yet to take note of
	crowded    bool      // of those lost, some went to make room for something else
	donating   bool      // a donor was given to it

	waiting      string    // why nothing is fetched for now, although something is wanted
	waitingUntil time.Time // after that it is known no longer
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
		swarms: make(map[swarm.InfoHash]*helped),
		open:   make(map[*peer]struct{}),
		most:   maxConns,
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
		s := &helped{hash: h, record: record, introducer: record.Why.Key(), told: swarm.UnknownHealth}
		s.count(cfg.Store)
		e.swarms[h] = s
		e.value(s)
	}
	return e, nil
}

// value gives the fragments of a dormant swarm the value that its record lets
// expect. e.mu is held, or the engine not yet in use.
func (e *Engine) value(s *helped) {
	value := choose.Value(choose.Need(s.record.Health, e.cfg.Goal()), s.record.Health.Copies)
	if s.record.Released {
		value = priceless(0)
	}
	e.cfg.Store.SetValues(s.hash, func(uint32) float64 { return value })
}

// count takes the swarm's holdings from the store.
func (s *helped) count(store *fragstore.Store) {
	s.fragments = store.Count(s.hash)
	s.bytes = int64(s.fragments) * s.record.PieceSize
	s.fetching = s.record.Pieces == 0 || s.fragments < s.record.Pieces
}

// Run announces every swarm, joins new ones as they become ready, and serves,
// until ctx ends. It returns when every goroutine of the engine has ended and
// every record is saved; it may then be called again. Swarms that are released
// take no part. While it does not run,
// the background is off: the engine knows no swarm to a peer, and dials none.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.ctx = ctx
	for _, s := range e.swarms {
		e.announce(s)
	}
	e.mu.Unlock()

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

// activate makes a swarm live, if the engine runs. e.mu is held.
func (e *Engine) activate(s *helped) *live {
	if s.live == nil && e.ctx != nil && !s.leaving && !s.record.Released {
		s.live, s.gained = newLive(e.ctx, e, s), time.Now()
		s.over = s.live.done
		e.wg.Add(1)
		go func(l *live) {
			defer e.wg.Done()
			l.run()
		}(s.live)
	}
	return s.live
}

// deliver hands something to a live swarm, waking it if it is dormant. A swarm
// may fall asleep between the look-up and the hand-over; then it is woken again.
func (e *Engine) deliver(h swarm.InfoHash, hand func(*live) bool) bool {
	for {
		e.mu.Lock()
		s, ok := e.swarms[h]
		var l *live
		if ok {
			l = e.activate(s)
		}
		e.mu.Unlock()
		if l == nil {
			return false
		}
		if hand(l) {
			return true
		}
	}
}

// Has tells whether h is a background swarm, be it a released one.
func (e *Engine) Has(h swarm.InfoHash) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ok := e.swarms[h]
	return ok
}

// Serves tells whether connections to a swarm are of any use: whether it is a
// background swarm and not released.
func (e *Engine) Serves(h swarm.InfoHash) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.swarms[h]
	return ok && !s.record.Released
}

// Running tells whether the background is on.
func (e *Engine) Running() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ctx != nil
}

// Hashes lists the background swarms.
func (e *Engine) Hashes() []swarm.InfoHash {
	e.mu.Lock()
	defer e.mu.Unlock()
	hashes := make([]swarm.InfoHash, 0, len(e.swarms))
	for h := range e.swarms {
		hashes = append(hashes, h)
	}
	return hashes
}

// Incoming serves a connection that a peer opened to us, until it ends.
func (e *Engine) Incoming(ctx context.Context, c *peerwire.Conn) {
	if !e.shut() {
		e.servePeer(c, netip.AddrPort{})
	}
}

// Reclaimed takes note of fragments that the ledger deleted for others than the background's own fetching, and tells the
// owner. It never waits for a swarm.
func (e *Engine) Reclaimed(r disk.Reclaimed) { e.reclaimed(r, nil) }

// reclaimed takes note of what was reclaimed for a fragment of the given swarm; nil: for something else.
func (e *Engine) reclaimed(r disk.Reclaimed, admitting *helped) {
	lost := make(map[swarm.InfoHash][]uint32)
	for _, k := range r.Keys {
		lost[k.Hash] = append(lost[k.Hash], k.Index)
	}
	for h, pieces := range lost {
		name := h.String()
		e.mu.Lock()
		if s, ok := e.swarms[h]; ok {
			name = s.record.Name
			s.count(e.cfg.Store)
			if s.live != nil {
				s.lost = append(s.lost, pieces...)
				s.crowded = s.crowded || s != admitting
				select {
				case s.live.reclaimed <- struct{}{}:
				default: // it has been told, and will find these too
				}
			}
		}
		e.mu.Unlock()
		what := "1 fragment"
		if len(pieces) != 1 {
			what = fmt.Sprintf("%d fragments", len(pieces))
		}
		swarm.Tell(e.cfg.Log, "reclaimed", h, fmt.Sprintf("reclaimed %s of %s: %s", what, name, r.Why))
	}
}

// put writes a swarm's record. e.mu is held.
func (e *Engine) put(s *helped) error {
	b, err := s.record.encode()
	if err != nil {
		return err
	}
	if err := e.cfg.Store.PutSwarm(s.hash, b); err != nil {
		return err
	}
	s.dirty = false
	return nil
}

// save writes the records that changed, unless that would wake the disk.
func (e *Engine) save() {
	if !e.asleep() {
		e.saveAll()
	}
}

func (e *Engine) saveAll() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.swarms {
		if !s.dirty || s.leaving {
			continue
		}
		if err := e.put(s); err != nil {
			// A full disk is no reason to stop; the next save tries again.
			e.cfg.Log.Warn("saving a swarm's record", "swarm", s.record.Name, "err", err)
			return
		}
	}
}

// Swarms lists the background swarms, oldest first.
func (e *Engine) Swarms() []Status {
	asleep := e.asleep()
	e.mu.Lock()
	defer e.mu.Unlock()
	list := make([]Status, 0, len(e.swarms))
	for _, s := range e.swarms {
		list = append(list, e.status(s, asleep))
	}
	slices.SortFunc(list, func(a, b Status) int { return a.Record.Joined.Compare(b.Record.Joined) })
	return list
}

// Swarm returns one background swarm.
func (e *Engine) Swarm(h swarm.InfoHash) (Status, bool) {
	asleep := e.asleep()
	e.mu.Lock()
	defer e.mu.Unlock()
	s, ok := e.swarms[h]
	if !ok {
		return Status{}, false
	}
	return e.status(s, asleep), true
}
