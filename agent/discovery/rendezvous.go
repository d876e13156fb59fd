package discovery

import (
	"context"
	"crypto/sha1"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	// redialInterval is how long an address is left alone after a meeting, or
	// an attempt at one. Lists are not asked for more often anyway.
	redialInterval = 10 * time.Minute
	// selfInterval is the same for an address at which we met ourselves. It
	// ends, because our address may be another's tomorrow.
	selfInterval = 24 * time.Hour
	// checkInterval is how often pauses before another try are looked at.
	checkInterval = 15 * time.Second
	// dialTimeout bounds connecting and all handshakes of one dial.
	dialTimeout = 30 * time.Second

	maxMeetings    = 8    // under way at once, of those that we dial
	maxGuests      = 32   // of those that dial us
	maxGuestsHost  = 4    // of those, from one host
	maxVerifying   = 8    // verifications under way at once
	maxQueued      = 512  // addresses waiting to be met
	maxQueuedSwarm = 64   // of them, found through one swarm
	maxQueuedHost  = 4    // ports of one host in redialInterval; more is an attempt at using us
	maxRest        = 4096 // addresses left alone
)

// Key is the info-hash under which the agents in the swarm h announce
// themselves, so that they find each other among all of its peers.
func Key(h swarm.InfoHash) swarm.InfoHash {
	return sha1.Sum(append([]byte("ebb rendezvous 1"), h[:]...))
}

// Announcer announces torrents and finds their peers; satisfied by
// *peersource.Announcer. It must not call a torrent's Found from within Add.
type Announcer interface {
	Add(peersource.Torrent)
	Remove(swarm.InfoHash)
}

// DialFunc opens a peer connection under an info-hash; see [DialPort].
type DialFunc func(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error)

// DialPort makes a DialFunc from a peer port.
func DialPort(p *peerwire.Port) DialFunc {
	return func(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error) {
		c, err := p.Dial(ctx, addr, h)
		if err != nil {
			return nil, err // and not a Conn that holds a nil pointer
		}
		return c, nil
	}
}

// Config is what a Rendezvous works with. Every field is required.
type Config struct {
	Announcer  Announcer
	Dial       DialFunc
	Port       uint16 // our own peer port
	Candidates *Candidates
	Lists      *Lists
	Log        *slog.Logger
}

// The kinds of sentence that discovery tells.
const (
	ToldHeard    = "heard"    // a peer named a swarm that we are not in
	ToldVerified = "verified" // and shook hands with us in it
)

// Foreground is a torrent that the owner asked for.
type Foreground struct {
	Hash          swarm.InfoHash
	Name          string
	MetadataKnown bool // false while a magnet's metadata is being fetched
	Private       bool // BEP 27
	Trackers      []string
}

// public tells whether the torrent may have a rendezvous. Until its metadata
// is known it might turn out to be private.
func (f Foreground) public() bool { return f.MetadataKnown && !f.Private }

func (f Foreground) equal(o Foreground) bool {
	return f.Name == o.Name && slices.Equal(f.Trackers, o.Trackers)
}

// Rendezvous meets the other agents in our foreground swarms: it announces us
// where they look, dials those that it finds, exchanges lists with them, and
// verifies what they claim. Its methods may be called from any goroutine.
type Rendezvous struct {
	cfg     Config
	wake    chan struct{}  // holds a token when there may be work
	running sync.WaitGroup // meetings and verifications

	mu        sync.Mutex // guards everything below
	swarms    map[swarm.InfoHash]Foreground
	queue     []meeting
	rest      map[meeting]time.Time    // who is left alone until when; a zero hash stands for all swarms
	dialled   map[netip.Prefix]*window // hosts, by how many of their ports were queued
	meetings  int
	guests    []netip.Prefix // the hosts of those that dialled us
	verifying int
}

// meeting is an agent to meet, or met, in a swarm.
type meeting struct {
	addr netip.AddrPort
	hash swarm.InfoHash
}

// NewRendezvous makes a Rendezvous. Nothing is announced before SetForeground,
// and nobody is dialled before Run.
func NewRendezvous(cfg Config) *Rendezvous {
	return &Rendezvous{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		swarms:  make(map[swarm.InfoHash]Foreground),
		rest:    make(map[meeting]time.Time),
		dialled: make(map[netip.Prefix]*window),
	}
}

// SetForeground says which torrents the owner has now. Private ones, and those
// whose metadata is not known yet, are ignored: they have no rendezvous, and
// no list is passed in them.
func (r *Rendezvous) SetForeground(torrents []Foreground) {
	swarms := make(map[swarm.InfoHash]Foreground, len(torrents))
	for _, f := range torrents {
		if f.public() {
			swarms[f.Hash] = f
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for h := range r.swarms {
		if _, still := swarms[h]; !still {
			r.cfg.Announcer.Remove(Key(h))
		}
	}
	for h, f := range swarms {
		if old, known := r.swarms[h]; !known || !old.equal(f) {
			r.announce(f)
		}
	}
	r.swarms = swarms
}

// announce puts a rendezvous on the announcer's schedule. It has no content, and
// so nothing is said of bytes left, up or down.
func (r *Rendezvous) announce(f Foreground) {
	r.cfg.Announcer.Add(peersource.Torrent{
		Hash:     Key(f.Hash),
		Trackers: f.Trackers,
		Port:     r.cfg.Port,
		DHT:      true,
		Announce: true,
		Found:    func(found peersource.Result) { r.found(f.Hash, found.Peers) },
	})
}

// Knows tells whether h is a swarm in which we meet other agents, so that a
// connection under it is for HandleConn.
func (r *Rendezvous) Knows(h swarm.InfoHash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.swarms[h]
	return ok
}

// InfoHashes yields the swarms that Knows knows.
func (r *Rendezvous) InfoHashes() iter.Seq[swarm.InfoHash] {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Values(slices.Collect(maps.Keys(r.swarms)))
}

// found queues those who answered at a swarm's rendezvous. Whoever runs the
// tracker decides who that is, so their number is bounded, and nobody is
// dialled twice within redialInterval.
func (r *Rendezvous) found(h swarm.InfoHash, addrs []netip.AddrPort) {
	if !r.cfg.Candidates.Wants(swarm.KindPeer) {
		return // the owner wants no candidates from peers: there is nothing to ask
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ours := r.swarms[h]; !ours {
		return
	}
	waiting := 0
	for _, m := range r.queue {
		if m.hash == h {
			waiting++
		}
	}
	for _, addr := range addrs {
		m := meeting{netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()), h}
		if waiting >= maxQueuedSwarm || len(r.queue) >= maxQueued {
			break
		}
		if now.Before(r.rest[m]) || now.Before(r.rest[meeting{addr: m.addr}]) ||
			!r.leaveAlone(m, now.Add(redialInterval)) || !r.mayDial(m.addr, now) {
			continue
		}
		r.queue = append(r.queue, m)
		waiting++
	}
	r.poke()
}

// leaveAlone keeps an address from being dialled until then. It fails when too
// many are kept so. r.mu is held.
func (r *Rendezvous) leaveAlone(m meeting, until time.Time) bool {
	if _, known := r.rest[m]; !known && len(r.rest) >= maxRest {
		return false
	}
	r.rest[m] = until
	return true
}

// mayDial counts one more port of a host, and tells whether it is not one too
// many. r.mu is held.
func (r *Rendezvous) mayDial(addr netip.AddrPort, now time.Time) bool {
	host := hostOf(addr.Addr())
	if r.dialled[host] == nil {
		r.dialled[host] = new(window)
	}
	return r.dialled[host].add(now) <= maxQueuedHost
}

// poke makes Run look for work.
func (r *Rendezvous) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run meets agents and verifies their claims until ctx ends, and waits for
// what it started. It is to be called once.
func (r *Rendezvous) Run(ctx context.Context) error {
	defer r.running.Wait()
	tick := time.NewTicker(checkInterval)
	defer tick.Stop()
	for {
		r.startMeetings(ctx)
		r.startVerifying(ctx)
		select {
		case <-r.wake:
		case <-tick.C:
			r.forget(time.Now())
		case <-ctx.Done():
			return nil
		}
	}
}

// forget drops what is too old to matter.
func (r *Rendezvous) forget(now time.Time) {
	r.cfg.Candidates.Expire(now)
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.rest, func(_ meeting, until time.Time) bool { return !now.Before(until) })
	maps.DeleteFunc(r.dialled, func(_ netip.Prefix, w *window) bool { return w.over(now) })
}

// startMeetings dials those who wait to be met, a few at a time.
func (r *Rendezvous) startMeetings(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.queue) > 0 && r.meetings < maxMeetings && ctx.Err() == nil {
		m := r.queue[0]
		r.queue = r.queue[1:]
		r.meetings++
		r.running.Go(func() {
			r.meet(ctx, m)
			r.mu.Lock()
			r.meetings--
			r.mu.Unlock()
			r.poke()
		})
	}
}

// meet dials an agent under the swarm's own info-hash and exchanges lists.
func (r *Rendezvous) meet(ctx context.Context, m meeting) {
	r.mu.Lock()
	via, ours := r.swarms[m.hash]
	r.mu.Unlock()
	if !ours {
		return // the owner removed it meanwhile
	}
	c, err := r.dial(ctx, m.addr, m.hash)
	if err != nil {
		if errors.Is(err, peerwire.ErrSelf) {
			r.mu.Lock()
			r.leaveAlone(meeting{addr: m.addr}, time.Now().Add(selfInterval))
			r.mu.Unlock()
		}
		r.cfg.Log.Debug("no meeting", "address", m.addr, "swarm", via.Name, "err", err)
		return
	}
	defer c.Close()
	if err := r.exchange(ctx, c, via, m.addr); err != nil {
		r.cfg.Log.Debug("meeting ended", "address", m.addr, "swarm", via.Name, "err", err)
	}
}

func (r *Rendezvous) dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return r.cfg.Dial(ctx, addr, h)
}
