package background

import (
	"slices"
	"sync"
	"time"

	"ebb/agent/peerwire"
)

const (
	// A live swarm takes about so much beside what its metadata and pieces do: its goroutine, tables, timers and
	// buffers. Bytes.
	liveBase = 96 << 10
	// liveForEachConn is what live swarms may take together for each connection that may be open, in bytes: as
	// quota/memory lets those be fewer, so are these.
	liveForEachConn = 128 << 10
)

// costOfLive estimates what a live swarm takes of the memory, in bytes. Its metadata is there twice, as it was sent and
// as the sums of the pieces; each piece has its count of copies and some bits.
func costOfLive(metadata int64, pieces int) int64 { return liveBase + 2*metadata + 8*int64(pieces) }

// waking says how much it matters that a swarm goes live.
type waking int

const (
	ifRoom  waking = iota // it may as well wait for its turn
	makeWay               // one that has no peers is to make way
	always                // whatever that takes
)

// awake bounds what the live swarms take of the memory together. Swarms beyond it wait, dormant, until choose.Wake wakes
// them, or a peer comes.
type awake struct {
	mu   sync.Mutex // guards all below; taken after a swarm's
	live map[*live]int64
	sum  int64 // of live
	most int64
}

func newAwake(conns int) awake {
	return awake{live: make(map[*live]int64), most: int64(conns) * liveForEachConn}
}

// enter takes in a swarm that is to go live, and reports whether there is room for it. One alone always has room.
func (a *awake) enter(l *live, cost int64, how waking) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.sum+cost > a.most && how != ifRoom {
		a.shed(a.sum + cost - a.most)
	}
	if a.sum+cost > a.most && len(a.live) > 0 && how != always {
		return false
	}
	a.set(l, cost)
	return true
}

// set notes what a swarm takes. a.mu is held.
func (a *awake) set(l *live, cost int64) {
	a.sum += cost - a.live[l]
	a.live[l] = cost
}

// learned takes note of what the metadata of a live swarm takes.
func (a *awake) learned(l *live, info *peerwire.Info, raw []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.live[l]; ok { // else it is to fall asleep
		a.set(l, costOfLive(int64(len(raw)), info.NumPieces()))
	}
}

// stay takes a swarm in again that was to fall asleep and cannot.
func (a *awake) stay(l *live, cost int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.set(l, cost)
}

// leave notes that a swarm is live no longer.
func (a *awake) leave(l *live) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sum -= a.live[l]
	delete(a.live, l)
}

// bound sets how many connections may be open, and has what is too much fall asleep.
func (a *awake) bound(conns int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.most = int64(conns) * liveForEachConn
	a.shed(a.sum - a.most)
}

// shed has swarms without peers fall asleep, those that have had none for longest first, until so many bytes are given
// back. They count no longer from here on. a.mu is held.
func (a *awake) shed(bytes int64) {
	type lonely struct {
		live  *live
		since time.Time
	}
	var all []lonely
	for l := range a.live {
		if since := l.lonely.Load(); since != nil {
			all = append(all, lonely{l, *since})
		}
	}
	slices.SortFunc(all, func(a, b lonely) int { return a.since.Compare(b.since) })
	for _, one := range all {
		if bytes <= 0 {
			return
		}
		select {
		case one.live.yield <- struct{}{}:
		default: // it has been told
		}
		bytes -= a.live[one.live]
		a.sum -= a.live[one.live]
		delete(a.live, one.live)
	}
}

// cost is what the swarm takes of the memory. Only its own goroutine asks.
func (l *live) cost() int64 {
	if l.info == nil {
		return liveBase
	}
	return costOfLive(int64(len(l.raw)), l.info.NumPieces())
}
