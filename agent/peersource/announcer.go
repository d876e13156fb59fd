package peersource

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/maphash"
	"log/slog"
	"math"
	"net/netip"
	"slices"
	"sync"
	"time"

	"ebb/agent/swarm"
)

const (
	// stopTimeout bounds telling one tracker that we left a torrent, goodbyeTimeout telling all of them that we shut
	// down: the owner waits for that.
	stopTimeout    = 10 * time.Second
	goodbyeTimeout = 3 * time.Second
	// noNodesRetry replaces the long back-off while the DHT has not found its feet, which is no torrent's fault.
	noNodesRetry = time.Minute
)

// Config is what an Announcer needs.
type Config struct {
	PeerID    [20]byte
	Local     netip.Addr // source address; invalid means Guard.Local
	Guard     Guard
	DHT       *DHT         // nil: no DHT
	UserAgent string       // "ebb/0.1.0"
	Log       *slog.Logger // nil: no log
}

// Announcer keeps torrents announced to their trackers and to the DHT. Every torrent has, for each of its trackers and
// for the DHT, its own next time and back-off: the first announce at once, then at the tracker's interval (1 min to 24
// h, 30 min if it does not say; the DHT every 20 min), after failures 1, 2, 4 min … 1 h later, in the DHT from 15 s
// on. At most 20 are under way at once, at most 6 of them at the same host; the owner's come first, and hosts take turns.
// All methods may be called at any time, before Run too.
type Announcer struct {
	peerID [20]byte
	key    uint32
	guard  Guard
	log    *slog.Logger
	epoch  time.Time
	seed   maphash.Seed

	announce func(context.Context, string, AnnounceRequest) (AnnounceResponse, error)
	lookup   func(context.Context, swarm.InfoHash, uint16, func([]netip.AddrPort)) error // nil: no DHT

	wake    chan struct{} // holds a token when the schedule has changed
	workers sync.WaitGroup

	mu       sync.Mutex
	schedule schedule // guarded by mu
}

// NewAnnouncer makes an Announcer; nothing happens before Run.
func NewAnnouncer(cfg Config) *Announcer {
	guard := cfg.Guard
	if cfg.Local.IsValid() {
		guard.Local = cfg.Local
	}
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var key [4]byte
	rand.Read(key[:]) // never fails
	a := &Announcer{
		peerID:   cfg.PeerID,
		key:      binary.BigEndian.Uint32(key[:]),
		guard:    guard,
		log:      log,
		epoch:    time.Now(),
		seed:     maphash.MakeSeed(),
		announce: NewTrackers(guard, cfg.UserAgent).Announce,
		wake:     make(chan struct{}, 1),
		schedule: newSchedule(),
	}
	if cfg.DHT != nil {
		a.lookup = cfg.DHT.Lookup
	}
	return a
}

// Add starts announcing t. Adding a torrent that is already there brings it up to date: new trackers are announced to
// at once, dropped ones are told that we leave.
func (a *Announcer) Add(t Torrent) {
	sources := a.sources(&t)
	a.change(func(now time.Duration) { a.schedule.put(t, sources, now) })
}

// sources lists where t is to be announced: distinct trackers that the guard allows, and the DHT.
func (a *Announcer) sources(t *Torrent) []place {
	var places []place
	if t.DHT && a.lookup != nil {
		places = append(places, place{SourceDHT, untiered})
	}
	seen := make(map[string]struct{}, len(t.Trackers))
	add := func(tracker string, tier int16) {
		if _, dup := seen[tracker]; dup || len(seen) == maxTrackers {
			return
		}
		if err := a.guard.CheckURL(tracker); err != nil {
			a.log.Debug("tracker left out", "torrent", t.Hash, "err", err)
			return
		}
		seen[tracker] = struct{}{}
		places = append(places, place{tracker, tier})
	}
	for _, tracker := range t.Trackers {
		add(tracker, untiered)
	}
	for i, tier := range t.Tiers[:min(len(t.Tiers), math.MaxInt16)] {
		// At random (BEP 12), but the same way when the torrent is brought up to date.
		tier = slices.Clone(tier)
		slices.SortFunc(tier, func(x, y string) int {
			return cmp.Compare(maphash.Comparable(a.seed, x), maphash.Comparable(a.seed, y))
		})
		for _, tracker := range tier {
			add(tracker, int16(i))
		}
	}
	return places
}

// Remove stops announcing a torrent that is not the owner's; trackers that know of us are told, once, when a worker is
// free. A torrent that the owner has added meanwhile stays.
func (a *Announcer) Remove(h swarm.InfoHash) {
	a.change(func(now time.Duration) { a.schedule.remove(h, false, now) })
}

// RemoveOwners does so for one of the owner's, unless it has become another's by now: who removes a download may let the
// background go on with it.
func (a *Announcer) RemoveOwners(h swarm.InfoHash) {
	a.change(func(now time.Duration) { a.schedule.remove(h, true, now) })
}

// Now brings the torrent's next announces forward: to a minute after the last one, or to whenever the tracker allows the
// next (its 'min interval'; over UDP, its interval).
func (a *Announcer) Now(h swarm.InfoHash) {
	a.change(func(now time.Duration) { a.schedule.hurry(h, now) })
}

func (a *Announcer) change(do func(now time.Duration)) {
	a.mu.Lock()
	do(time.Since(a.epoch))
	a.mu.Unlock()
	a.poke()
}

func (a *Announcer) poke() {
	select {
	case a.wake <- struct{}{}:
	default: // the scheduler has yet to see the last token, and will see this change with it
	}
}

// Run announces until ctx ends; then it gives up what is under way, tells as many trackers as 3 s allow that we leave,
// and returns nil. No goroutine of its own outlives it. It is called once.
func (a *Announcer) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, waiting := a.dispatch(ctx)
		var tick <-chan time.Time
		if waiting {
			timer.Reset(wait)
			tick = timer.C
		}
		select {
		case <-tick:
		case <-a.wake:
		case <-ctx.Done():
			a.workers.Wait()
			a.goodbye(context.WithoutCancel(ctx))
			return nil
		}
	}
}

// dispatch gives everything that is due to workers, and says how long to wait for more.
func (a *Announcer) dispatch(ctx context.Context) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Since(a.epoch)
	for {
		e := a.schedule.next(now)
		if e == nil {
			return a.schedule.wait(now)
		}
		j := a.job(e, now)
		a.workers.Go(func() { a.work(ctx, j) })
	}
}

// job is what a worker needs to know of an entry, copied while the lock was held.
type job struct {
	entry   *entry
	torrent Torrent
	source  string
	began   time.Duration
	stop    bool
	known   bool
	missing bool
	plain   bool
	base    figures
	last    figures
}

func (a *Announcer) job(e *entry, now time.Duration) job {
	return job{
		entry: e, torrent: e.of.torrent, source: e.at.name, began: now,
		stop: !e.wanted, known: e.known, missing: e.missing, plain: e.plain,
		base: e.base, last: e.of.last,
	}
}

// work does one job and gives its entry back.
func (a *Announcer) work(ctx context.Context, j job) {
	o := outcome{began: j.began, stopped: j.stop}
	if j.source == SourceDHT {
		a.doLookup(ctx, j, &o)
	} else {
		a.doAnnounce(ctx, j, &o)
	}
	o.interrupted = !o.stopped && o.err != nil && ctx.Err() != nil
	a.change(func(now time.Duration) { a.schedule.done(j.entry, o, now) })
}

func (a *Announcer) doAnnounce(ctx context.Context, j job, o *outcome) {
	o.told = j.figures()
	req := a.request(j, o.told)
	if j.stop {
		ctx, cancel := context.WithTimeout(ctx, stopTimeout)
		defer cancel()
		if _, err := a.announce(ctx, j.source, req); err != nil {
			a.log.Debug("could not tell the tracker that we leave", "torrent", j.torrent.Hash, "err", err)
		}
		return
	}
	resp, err := a.announce(ctx, j.source, req)
	o.err, o.warning = err, resp.Warning
	o.interval, o.minimum, o.pauseRefused = resp.Interval, resp.MinInterval, resp.PauseRefused
	if ctx.Err() != nil {
		return
	}
	result := Result{Hash: j.torrent.Hash, Source: j.source, Seeds: -1, Leechers: -1, Err: err}
	if err == nil {
		result.Peers, result.Seeds, result.Leechers = resp.Peers, resp.Seeds, resp.Leechers
	}
	j.torrent.found(result)
}

// figures asks the torrent for its figures. One that is gone may not know them any more: then the last that it said
// are what its trackers are told for a farewell.
func (j *job) figures() figures {
	up, down := j.torrent.transferred()
	f := figures{up: max(up, j.last.up), down: max(down, j.last.down), left: j.torrent.left()}
	if j.stop && f.left < 0 {
		f.left = j.last.left
	}
	return f
}

// request chooses the event: 'completed' is for the download that was seen both unfinished and finished (BEP 3).
func (a *Announcer) request(j job, f figures) AnnounceRequest {
	base := j.base
	if !j.known {
		base = f
	}
	req := AnnounceRequest{
		Hash: j.torrent.Hash, PeerID: a.peerID, Port: j.torrent.Port, Key: a.key,
		Uploaded: max(f.up-base.up, 0), Downloaded: max(f.down-base.down, 0), Left: f.left,
	}
	switch {
	case j.stop:
		req.Event = EventStopped
	case !j.known:
		req.Event = EventStarted
	case j.missing && req.Left == 0:
		req.Event = EventCompleted
	}
	req.PartialSeed = !j.stop && !j.plain && req.Left != 0 && j.torrent.partialSeed()
	return req
}

func (a *Announcer) doLookup(ctx context.Context, j job, o *outcome) {
	port := j.torrent.Port
	if j.torrent.Onlooker {
		port = 0
	}
	found := false
	o.interval = dhtInterval
	o.err = a.lookup(ctx, j.torrent.Hash, port, func(peers []netip.AddrPort) {
		found = true
		j.torrent.found(Result{Hash: j.torrent.Hash, Source: SourceDHT, Peers: peers, Seeds: -1, Leechers: -1})
	})
	if errors.Is(o.err, ErrNoNodes) {
		o.retryWithin = noNodesRetry
	}
	if ctx.Err() == nil && (o.err != nil || !found) {
		j.torrent.found(Result{Hash: j.torrent.Hash, Source: SourceDHT, Seeds: -1, Leechers: -1, Err: o.err})
	}
}

// goodbye tells the trackers that have us on their lists that we leave, as far as its time allows.
func (a *Announcer) goodbye(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbyeTimeout)
	defer cancel()
	a.mu.Lock()
	known := a.schedule.announced()
	jobs := make(chan job, len(known))
	for _, e := range known {
		j := a.job(e, time.Since(a.epoch))
		j.stop = true
		jobs <- j
	}
	a.mu.Unlock()
	close(jobs)
	for range min(maxWorkers, len(known)) {
		a.workers.Go(func() {
			for j := range jobs {
				if ctx.Err() != nil {
					return
				}
				var o outcome
				a.doAnnounce(ctx, j, &o)
			}
		})
	}
	a.workers.Wait()
}
