package background

import (
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// membership is what is always in memory of a background swarm.
type membership struct {
	hash  swarm.InfoHash
	share *share // of its introducer; nil if the owner named it. Set as it enters the table

	// Changed with each block, by whoever moved it.
	uploaded, downloaded atomic.Int64 // bytes of fragments, ever
	inFlight             atomic.Int64 // bytes of the pieces being fetched; changed by the live swarm alone
	dirty                atomic.Bool  // the record differs from the one on disk

	mu        sync.Mutex   // guards the fields below; taken before the table's, the places' and the engine's
	record    Record       // but for what it says of why, which never changes, and of what was moved; see current
	told      swarm.Health // what its trackers said last, or else its introducer
	life      life
	run       *live // the last time that it was live, until all that this started has ended; else nil
	fragments int
	bytes     int64 // of the fragments held
	peers     int
	fetching  bool // there are pieces that we want and may store
	up, down  rate
	gained    time.Time     // when it last went live or stored a fragment
	sought    time.Duration // for which the engine, being on, has looked for the metadata
	denied    bool          // there was no room for it to go live, see awake
	woken     time.Time     // when the engine last woke it to look for peers
	lost      []uint32      // reclaimed pieces that the live swarm has yet to take note of
	crowded   bool          // of those lost, some went to make room for something else

	waiting      string    // why nothing is fetched for now, although something is wanted
	waitingUntil time.Time // after that it is known no longer
}

// life is where a swarm stands:
//
//	Join ──▶ dormant ◀───────────▶ live ◀───────────▶ keeping       From these three:
//	            ▲      wanted, or         given a donor,            Release ────────▶ released
//	            │      nobody is left     or done with it           Leave, refuse ──▶ leaving ──▶ not in the table
//	          Resume
//	            │
//	        released ──Forget──▶ leaving
//
// When Run ends, what is live or keeping becomes dormant. What is released or leaving does not go live; whoever made it
// so waits until what it started has ended, see Engine.settle.
type life int

const (
	lifeDormant  life = iota // it waits on disk for somebody to come
	lifeLive                 // it has, or seeks, peers
	lifeKeeping              // it is live, and takes pieces from a donor
	lifeReleased             // out of service, while its owner makes it a download; so says its record
	lifeLeaving              // all of it is being deleted
)

// serving reports whether the swarm is one that the engine works with.
func (l life) serving() bool { return l != lifeReleased && l != lifeLeaving }

// newMembership is one that nobody else knows of yet.
func newMembership(h swarm.InfoHash, r Record, told swarm.Health) *membership {
	s := &membership{hash: h, record: r, told: told, fetching: true}
	s.uploaded.Store(r.Uploaded)
	s.downloaded.Store(r.Downloaded)
	if r.Released {
		s.life = lifeReleased
	}
	return s
}

// account adds to what was moved, in bytes.
func (s *membership) account(up, down int64) {
	s.uploaded.Add(up)
	s.downloaded.Add(down)
	s.dirty.Store(true)
}

// current is the record as it is now. s.mu is held.
func (s *membership) current() Record {
	r := s.record
	r.Uploaded, r.Downloaded = s.uploaded.Load(), s.downloaded.Load()
	return r
}

// put writes the record. s.mu is held.
func (s *membership) put(store *fragstore.Store) error {
	s.dirty.Store(false) // what is moved from here on makes it differ again
	b, err := s.current().encode()
	if err == nil {
		err = store.PutSwarm(s.hash, b)
	}
	if err != nil {
		s.dirty.Store(true)
	}
	return err
}

// count takes the swarm's holdings from the store. s.mu is held.
func (s *membership) count(store *fragstore.Store) {
	before := s.bytes
	s.fragments = store.Count(s.hash)
	s.bytes = int64(s.fragments) * s.record.PieceSize
	s.share.add(s.bytes - before)
	s.fetching = s.record.Pieces == 0 || s.fragments < s.record.Pieces
}

// left is the number of bytes of the torrent that we do not hold. A swarm whose size is unknown has at least one.
// s.mu is held.
func (s *membership) left() int64 {
	if s.record.Pieces == 0 {
		return max(s.record.Length, 1)
	}
	if s.fragments == s.record.Pieces {
		return 0
	}
	return max(s.record.Length-s.bytes, 1)
}

// stalled is how long a live swarm may get no further before it gives its place among those that are fetched to
// another: its peers may lack what it lacks.
const stalled = 2 * time.Minute

// busy reports whether the swarm takes up a place among those that are fetched. s.mu is held.
func (s *membership) busy(now time.Time) bool {
	return s.life == lifeLive && s.fetching && (s.inFlight.Load() > 0 || now.Sub(s.gained) < stalled)
}

// chargeAsked has bytes of a piece that the owner asked for count as in flight: nobody's share keeps it from coming.
func (s *membership) chargeAsked(bytes int64) {
	s.inFlight.Add(bytes)
	s.share.add(bytes)
}

// refund ends a charge: the piece is stored, and counts as such, or was given up.
func (s *membership) refund(bytes int64) {
	s.inFlight.Add(-bytes)
	s.share.add(-bytes)
}

// stop notes that nothing moves in the swarm any more. s.mu is held.
func (s *membership) stop() {
	s.refund(s.inFlight.Load())
	s.peers = 0
	s.up.smooth, s.down.smooth = 0, 0
	s.lost, s.crowded = nil, false // the next life begins with what is held then
}
