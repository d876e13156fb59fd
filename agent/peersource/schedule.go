package peersource

import (
	"container/heap"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"ebb/agent/swarm"
)

const (
	defaultInterval = 30 * time.Minute // BEP 3 leaves it to the tracker; this is what most of them say
	// shortestPause is the least between two announces, whatever a tracker says, or is down. A longer one is kept, up to
	// longestPause.
	shortestPause = time.Minute
	longestPause  = 24 * time.Hour
	dhtInterval   = 20 * time.Minute // nodes forget peers after about 30

	// dhtPause is the least between two look-ups in the DHT: it belongs to nobody, and is often still finding its first
	// nodes when it is asked first.
	dhtPause  = 15 * time.Second
	lastRetry = time.Hour
)

// schedule says what is to be announced when. It is plain data: no clock, no I/O, no lock; the Announcer brings those.
// Times are durations since the Announcer was made: a third of a time.Time.
//
// An entry is always in exactly one place: in the heap (index ≥ 0), with a worker (running), or, being neither, in its
// host's queue, where it waits for its turn (turns.go).
type schedule struct {
	torrents map[swarm.InfoHash]*record
	sources  map[string]*source
	due      dueHeap
	turns    turns
}

// record is a torrent, and its entries: one per tracker, and one for the DHT.
type record struct {
	torrent Torrent // without Trackers and Tiers: the entries have them
	entries []*entry
	leaving bool    // removed; stays until its trackers have been told
	last    figures // that were announced anywhere
}

// figures are bytes of a torrent: transferred while it was there, and still wanted (below 0: nobody knows).
type figures struct{ up, down, left int64 }

// source is a tracker URL, or SourceDHT, shared by all torrents that use it.
type source struct {
	name    string
	entries int // that refer to it
	host    *host
}

// entry is one torrent at one source: about 96 bytes, and there may be 50,000 of them.
type entry struct {
	of  *record
	at  *source
	due time.Duration
	// last is when the last announce was begun, if tried; minimum is how long the tracker wants between two.
	last, minimum time.Duration
	// base is what had been transferred when the tracker was told 'started': it is told what came since (BEP 3).
	base     figures
	index    int32
	trouble  *trouble // of the last announce; nil: none
	failures uint8    // in a row

	running bool
	wanted  bool // the torrent still has this source
	tried   bool
	known   bool // the tracker has us on its list, and must be told when we leave
	missing bool // the last thing that the tracker knows is that we lack something
	unsaid  bool // in the DHT we have only looked so far, and are to be found there now
	hurried bool // Now was called while it was running
	standby bool // another of the tiers is announced to

	tier  int16 // of BEP 12, or untiered
	order int32 // within the tier: the lowest is tried first
	plain bool  // the tracker refuses event=paused
}

func newSchedule() schedule {
	return schedule{torrents: make(map[swarm.InfoHash]*record), sources: make(map[string]*source), turns: newTurns()}
}

// put adds a torrent with the given sources, or brings one up to date: new sources are due now, dropped ones are told
// that we leave.
func (s *schedule) put(t Torrent, places []place, now time.Duration) {
	r := s.torrents[t.Hash]
	if r == nil {
		r = &record{}
		s.torrents[t.Hash] = r
	}
	if r.leaving || len(r.entries) == 0 {
		r.last = figures{left: -1}
	}
	looked := r.torrent.Onlooker && !t.Onlooker
	told := r.torrent.Port != t.Port || looked // there is news
	t.Trackers, t.Tiers = nil, nil
	r.torrent, r.leaving = t, false
	for _, e := range r.entries {
		e.wanted = false
	}
	for order, at := range places {
		i := slices.IndexFunc(r.entries, func(e *entry) bool { return e.at.name == at.source })
		if i < 0 {
			e := &entry{of: r, at: s.source(at.source), due: now, wanted: true, index: -1, tier: at.tier, order: int32(order)}
			r.entries = append(r.entries, e)
			heap.Push(&s.due, e)
			continue
		}
		e := r.entries[i]
		e.wanted = true
		e.unsaid = e.unsaid || looked && at.source == SourceDHT
		if e.tier != at.tier {
			e.tier, e.order = at.tier, int32(order)
		}
	}
	r.wake(s, now)
	s.retire(r, now)
	if told {
		s.hurry(t.Hash, now)
	}
}

// remove makes the torrent's entries leave, if it is the owner's or not, as is said.
func (s *schedule) remove(h swarm.InfoHash, owner bool, now time.Duration) {
	r := s.torrents[h]
	if r == nil || r.torrent.Owner != owner {
		return
	}
	r.leaving = true
	for _, e := range r.entries {
		e.wanted = false
	}
	s.retire(r, now)
}

// retire makes unwanted entries due if their tracker must be told, and drops the others, but for those that are with a
// worker or in a queue: they are dropped when their turn comes.
func (s *schedule) retire(r *record, now time.Duration) {
	for _, e := range slices.Clone(r.entries) {
		switch {
		case e.wanted || e.index < 0:
		case e.known:
			e.due = now
			heap.Fix(&s.due, int(e.index))
		default:
			heap.Remove(&s.due, int(e.index))
			s.drop(e)
		}
	}
	s.forget(r)
}

// hurry makes the torrent's entries due as soon as is polite.
func (s *schedule) hurry(h swarm.InfoHash, now time.Duration) {
	r := s.torrents[h]
	if r == nil {
		return
	}
	for _, e := range r.entries {
		switch {
		case e.running:
			e.hurried = true
		case e.index >= 0:
			e.due = min(e.due, max(now, e.polite()))
			heap.Fix(&s.due, int(e.index))
		}
	}
}

// polite is the earliest time of an announce that the clock does not ask for.
func (e *entry) polite() time.Duration {
	if !e.tried || e.unsaid {
		return 0
	}
	return e.last + max(e.at.least(), e.minimum)
}

// next hands out an entry that is due, if a worker is free for it; whoever takes it gives it back with done.
func (s *schedule) next(now time.Duration) *entry {
	for len(s.due) > 0 && s.due[0].due <= now {
		e := heap.Pop(&s.due).(*entry)
		if e.standBy() {
			e.due = now + longestPause
			heap.Push(&s.due, e)
			continue
		}
		s.turns.queue(e)
	}
	for {
		e := s.turns.next()
		if e == nil {
			return nil
		}
		if e.wanted || e.known {
			e.running, e.unsaid = true, false
			return e
		}
		s.turns.ended(e, -1)
		s.drop(e)
	}
}

// wait says how long from now nothing will be due. What is due and waits for a worker has its turn when one ends.
func (s *schedule) wait(now time.Duration) (time.Duration, bool) {
	if len(s.due) == 0 {
		return 0, false
	}
	return max(0, s.due[0].due-now), true
}

// outcome is what became of an entry that was handed out.
type outcome struct {
	began        time.Duration
	stopped      bool // it was EventStopped
	interrupted  bool // we gave up; the tracker may have heard it
	err          error
	warning      string        // of the tracker, if err is nil
	retryWithin  time.Duration // after an error; 0: lastRetry
	interval     time.Duration // until the next, if err is nil; 0: the source does not say
	minimum      time.Duration
	told         figures
	pauseRefused bool
}

// done takes an entry back, makes it due again, or drops it, and lets the next in its source's queue come.
func (s *schedule) done(e *entry, o outcome, now time.Duration) {
	e.running = false
	took := now - o.began
	if o.interrupted || o.stopped {
		took = -1 // says nothing about the host
	}
	s.turns.ended(e, took)
	e.tried, e.last = true, o.began
	if !o.interrupted {
		e.trouble = nil
		if o.err != nil || o.warning != "" {
			e.trouble = &trouble{o.err, o.warning}
		}
	}
	tracker := e.at.name != SourceDHT
	if tracker {
		e.of.last = o.told
		if !e.known {
			e.base = o.told // if the tracker has heard it
		}
	}
	switch {
	case o.stopped:
		// Told or not, it is over. If the torrent has come back meanwhile, it starts afresh.
		e.known, e.missing, e.failures = false, false, 0
		e.due = now
	case o.interrupted:
		e.known = e.known || tracker
		e.due = now
	case o.err != nil:
		e.failures = min(e.failures+1, 30)
		e.due = now + backOff(e.failures, e.at.least(), o.retryWithin)
		if no := (*Refusal)(nil); errors.As(o.err, &no) {
			e.minimum = min(no.RetryIn, longestPause)
			e.due = max(e.due, e.last+e.minimum)
		}
	default:
		e.known = tracker
		e.missing = o.told.left != 0
		e.failures = 0
		e.plain = e.plain || o.pauseRefused
		e.minimum = min(o.minimum, longestPause)
		e.due = now + pause(o.interval, o.minimum)
		e.comeFirst()
	}
	if o.err != nil || o.stopped {
		e.of.wake(s, now)
	}
	if e.hurried {
		e.hurried = false
		e.due = min(e.due, max(now, e.polite()))
	}
	if !e.wanted && e.known {
		e.due = now
	}
	if e.wanted || e.known {
		heap.Push(&s.due, e)
	} else {
		s.drop(e)
	}
}

// announced lists the entries whose trackers have us on their lists.
func (s *schedule) announced() []*entry {
	var known []*entry
	for _, r := range s.torrents {
		for _, e := range r.entries {
			if e.known {
				known = append(known, e)
			}
		}
	}
	return known
}

func (s *schedule) source(name string) *source {
	at := s.sources[name]
	if at == nil {
		name = strings.Clone(name) // it may be a small part of a large text
		at = &source{name: name, host: s.turns.host(hostOf(name))}
		s.sources[name] = at
	}
	at.entries++
	return at
}

// drop forgets an entry that is nowhere else any more.
func (s *schedule) drop(e *entry) {
	e.of.entries = slices.DeleteFunc(e.of.entries, func(other *entry) bool { return other == e })
	s.forget(e.of)
	if e.at.entries--; e.at.entries == 0 {
		delete(s.sources, e.at.name)
		s.turns.leave(e.at.host)
	}
}

// forget drops a record that has left.
func (s *schedule) forget(r *record) {
	if r.leaving && len(r.entries) == 0 {
		delete(s.torrents, r.torrent.Hash)
	}
}

// pause is how long until the next regular announce: what the tracker asked for, within reason, and up to a tenth more,
// so that torrents that were added together drift apart.
func pause(interval, minimum time.Duration) time.Duration {
	if interval == 0 {
		interval = defaultInterval
	}
	interval = min(max(interval, minimum, shortestPause), longestPause)
	return interval + rand.N(interval/10)
}

// least is how much time passes between two announces there, whatever it says, or is down.
func (s *source) least() time.Duration {
	if s.name == SourceDHT {
		return dhtPause
	}
	return shortestPause
}

// backOff is how long until the next try after so many failures in a row: first, then twice as long and so on, up to an
// hour (or within), each and up to a tenth more.
func backOff(failures uint8, first, within time.Duration) time.Duration {
	if within == 0 {
		within = lastRetry
	}
	d := within
	if shift := failures - 1; shift < 8 { // 15 s · 2⁸ is more than an hour
		d = min(within, first<<shift)
	}
	return d + rand.N(d/10)
}

// dueHeap orders entries by when they are due (container/heap).
type dueHeap []*entry

func (h dueHeap) Len() int           { return len(h) }
func (h dueHeap) Less(i, j int) bool { return h[i].due < h[j].due }
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = int32(i), int32(j)
}

func (h *dueHeap) Push(x any) {
	e := x.(*entry)
	e.index = int32(len(*h))
	*h = append(*h, e)
}

func (h *dueHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.index = -1
	return e
}
