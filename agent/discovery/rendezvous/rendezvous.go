package rendezvous

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

	"ebb/agent/discovery"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

const (
	// redialInterval is how long an address is left alone after an attempt at a meeting. Lists are not asked for more
	// often anyway.
	redialInterval = 10 * time.Minute
	// selfInterval is the same for an address at which we met ourselves. It ends, because our address may be another's
	// tomorrow.
	selfInterval = 24 * time.Hour
	// forgetInterval is how often those that need no longer be left alone are forgotten.
	forgetInterval = time.Minute

	maxMeetings    = 8    // under way at once, of those that we dial
	maxGuests      = 32   // of those that dial us
	maxGuestsHost  = 4    // of those, from one host
	maxQueued      = 512  // addresses waiting to be met
	maxQueuedSwarm = 64   // of them, found through one swarm
	maxQueuedHost  = 4    // ports of one host in redialInterval; more is an attempt at using us
	maxRest        = 4096 // addresses left alone
)

// Key is the info-hash under which the agents in the swarm h announce themselves, so that they find each other among
// all of its peers.
func Key(h swarm.InfoHash) swarm.InfoHash {
	return sha1.Sum(append([]byte("ebb rendezvous 1"), h[:]...))
}

// Announcer announces torrents and finds their peers; satisfied by *peersource.Announcer. It must not call a torrent's
// Found from within Add.
type Announcer interface {
	Add(peersource.Torrent)
	Remove(swarm.InfoHash)
}

// Config is what a Rendezvous works with. Every field is required.
type Config struct {
	Announcer  Announcer
	Dialer     discovery.DialFunc
	Port       uint16 // our own peer port
	Candidates *discovery.Candidates
	Lists      *discovery.Lists
	Log        *slog.Logger
}

// Foreground is a torrent that the owner asked for.
type Foreground struct {
	Hash          swarm.InfoHash
	Name          string
	MetadataKnown bool // false while a magnet's metadata is being fetched
	Private       bool // BEP 27
	Trackers      []string
}

// public reports whether the torrent may have a rendezvous. Until its metadata is known it might turn out to be
// private.
func (f Foreground) public() bool { return f.MetadataKnown && !f.Private }

func (f Foreground) equal(o Foreground) bool {
	return f.Name == o.Name && slices.Equal(f.Trackers, o.Trackers)
}

// Rendezvous meets the other agents in our foreground swarms. It is a [discovery.Source]: what they list is offered by
// its Lists. Its methods may be called from any goroutine.
type Rendezvous struct {
	cfg     Config
	wake    chan struct{}  // holds a token when there may be work
	running sync.WaitGroup // meetings

	mu       sync.Mutex // guards everything below
	swarms   map[swarm.InfoHash]Foreground
	queue    []meeting
	rest     map[meeting]time.Time // who is left alone until when; a zero hash stands for all swarms
	meetings int
	guests   []netip.Prefix // the hosts of those that dialled us
}

// meeting is an agent to meet, or met, in a swarm.
type meeting struct {
	addr netip.AddrPort
	hash swarm.InfoHash
}

// New makes a Rendezvous. Nothing is announced before SetForeground, and nobody is dialled before Run.
func New(cfg Config) *Rendezvous {
	return &Rendezvous{
		cfg:    cfg,
		wake:   make(chan struct{}, 1),
		swarms: make(map[swarm.InfoHash]Foreground),
		rest:   make(map[meeting]time.Time),
	}
}

// SetForeground says which torrents the owner has now. Private ones, and those whose metadata is not known yet, are
// ignored: they have no rendezvous, and no list is passed in them.
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

// announce puts a rendezvous on the announcer's schedule. It has no content, and so nothing is said of bytes left, up
// or down.
func (r *Rendezvous) announce(f Foreground) {
	r.cfg.Announcer.Add(peersource.Torrent{
		Hash:     Key(f.Hash),
		Trackers: f.Trackers,
		Port:     r.cfg.Port,
		DHT:      true,
		Found:    func(found peersource.Result) { r.found(f.Hash, found.Peers) },
	})
}

// Knows reports whether h is a swarm in which we meet other agents, so that a connection under it is for HandleConn.
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

// found queues those who answered at a swarm's rendezvous. Whoever runs the tracker decides who that is, so their
// number is bounded, by swarm and by host, and nobody is dialled twice within redialInterval.
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
	ports := make(map[netip.Prefix]int) // by host: how many are left alone
	for m, until := range r.rest {
		if !m.hash.IsZero() && now.Before(until) {
			ports[swarm.Host(m.addr.Addr())]++
		}
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
		host := swarm.Host(m.addr.Addr())
		if now.Before(r.rest[m]) || now.Before(r.rest[meeting{addr: m.addr}]) || r.cfg.Lists.Fresh(m.addr) ||
			ports[host] >= maxQueuedHost || !r.leaveAlone(m, now.Add(redialInterval)) {
			continue
		}
		ports[host]++
		r.queue = append(r.queue, m)
		waiting++
	}
	r.poke()
}

// leaveAlone keeps an address from being dialled until then. It reports whether there was room to remember that. r.mu
// is held.
func (r *Rendezvous) leaveAlone(m meeting, until time.Time) bool {
	if _, known := r.rest[m]; !known && len(r.rest) >= maxRest {
		return false
	}
	r.rest[m] = until
	return true
}

// poke makes Run look for work.
func (r *Rendezvous) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it is about to look anyway
	}
}

// Run meets agents until ctx ends, and waits for what it started. It is to be called once. Its error is always nil.
func (r *Rendezvous) Run(ctx context.Context) error {
	defer r.running.Wait()
	tick := time.NewTicker(forgetInterval)
	defer tick.Stop()
	for {
		r.startMeetings(ctx)
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
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.rest, func(_ meeting, until time.Time) bool { return !now.Before(until) })
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
	c, err := r.cfg.Dialer.Dial(ctx, m.addr, m.hash)
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
