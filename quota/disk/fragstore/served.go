package fragstore

import (
	"math"
	"time"

	"ebb/agent/swarm"
)

// What is remembered about serving drives reclaim, and is worth little wear: it goes to the index with a clean Close,
// and once an hour for a bounded number of fragments. A crash forgets what was served since then.
const (
	servedEvery = time.Hour
	// servedBatch bounds how many fragments are told to the index each hour. Each may dirty a page of 4 KiB of its own:
	// that is 8 MiB an hour at worst, and a tenth of it when the fragments of a swarm are served together.
	servedBatch = 2048
)

// stamp is a time in Unix seconds, good until 2106. 0 stands for no time.
type stamp uint32

func stampOf(t time.Time) stamp {
	return stamp(min(max(t.Unix(), 1), math.MaxUint32))
}

// time returns what a stamp says at the time now.
//
// A clock may have jumped back since the stamp was taken: small machines have no battery, and start with the time of
// their last shutdown or of 1970 until the network tells them better. A stamp in the future is therefore taken for now,
// but is only changed to it when it still lies in the future at an hourly settle: the fragment is neither for ever the
// one that was served last, nor forgotten because the clock was wrong for a minute. And serving never takes a stamp
// back.
func (s stamp) time(now stamp) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(int64(min(s, now)), 0)
}

// Served notes that n bytes of a fragment were sent to a peer. It costs no I/O.
func (s *Store) Served(k Key, n int64) {
	now := stampOf(time.Now())
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.table.held(k); e != nil && n > 0 {
		e.served += min(n, math.MaxInt64-e.served)
		e.lastServed = max(e.lastServed, now)
		e.state |= unsaved
	}
}

// settle runs once an hour: it corrects stamps that lie in the future, and lets the index hear of the fragments that
// were served, unless the disk is to be left alone.
func (s *Store) settle() {
	now := stampOf(time.Now())
	s.mu.Lock()
	s.table.each(func(_ swarm.InfoHash, e *entry) {
		if e.stored > now || e.lastServed > now {
			e.stored, e.lastServed = min(e.stored, now), min(e.lastServed, now)
			e.state |= unsaved
		}
	})
	s.mu.Unlock()
	if s.unavailable() == nil {
		s.saveServed(servedBatch)
	}
}

// saveServed lets the index hear of at most n fragments of which it does not know everything, and returns how many they
// were. The order of a map is random: over the hours, everyone's turn comes.
func (s *Store) saveServed(n int) (saved int) {
	s.moves.RLock()
	defer s.moves.RUnlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	for h, sw := range s.table.swarms {
		for i := range sw.entries {
			e := &sw.entries[i]
			if !e.is(unsaved) || e.is(deleting) {
				continue
			}
			if saved == n {
				return saved
			}
			saved++
			s.tell(h, e)
		}
	}
	return saved
}

// tell lets the index hear of an entry. s.mu is held, and s.moves at least for reading.
func (s *Store) tell(h swarm.InfoHash, e *entry) {
	e.state &^= unsaved
	s.index.put(fragmentsBucket, fragmentKey(Key{h, e.index}), fragmentValue(e, s.epoch))
}
