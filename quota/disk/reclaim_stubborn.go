package disk

import (
	"iter"
	"maps"
	"time"

	"ebb/quota/disk/fragstore"
)

const (
	// stubbornTime is how long a fragment that could not be deleted is passed over, for others that may go.
	stubbornTime = 5 * time.Minute
	// restMost is the longest that checks leave a disk alone on which nothing can be deleted.
	restMost = time.Minute
)

// stubborn remembers which fragments could not be deleted. One bad spot must not keep the others on the disk, and a bad
// disk must not be tried again, and complained about, at every check.
type stubborn struct {
	keys      map[fragstore.Key]struct{} // replaced, never changed, so that it can be read without the lock
	forget    time.Time                  // when keys are tried again
	fruitless int                        // attempts in a row that have deleted nothing
	rest      time.Time                  // until then, checks try nothing
}

// note takes down an attempt that left fragments behind.
func (s *stubborn) note(now time.Time, kept []fragstore.Key, freed int64) {
	keys := make(map[fragstore.Key]struct{}, len(kept))
	if now.Before(s.forget) {
		maps.Copy(keys, s.keys)
	}
	for _, k := range kept {
		keys[k] = struct{}{}
	}
	s.keys, s.forget = keys, now.Add(stubbornTime)
	if freed > 0 {
		s.yielded()
		return
	}
	s.fruitless = min(s.fruitless+1, 16)
	s.rest = now.Add(min(checkEvery<<(s.fruitless-1), restMost))
}

// yielded takes down that something was deleted.
func (s *stubborn) yielded() { s.fruitless, s.rest = 0, time.Time{} }

// resting reports whether checks are to leave the disk alone.
func (s *stubborn) resting(now time.Time) bool { return now.Before(s.rest) }

// passedOver returns what is not tried at the moment.
func (s *stubborn) passedOver(now time.Time) map[fragstore.Key]struct{} {
	if !now.Before(s.forget) {
		s.keys = nil
	}
	return s.keys
}

// movable returns the fragments that may be tried to reclaim.
func (l *Ledger) movable() iter.Seq[fragstore.Fragment] {
	l.mu.Lock()
	passedOver := l.stubborn.passedOver(time.Now())
	l.mu.Unlock()
	if len(passedOver) == 0 {
		return l.store.Fragments()
	}
	return func(yield func(fragstore.Fragment) bool) {
		for f := range l.store.Fragments() {
			if _, over := passedOver[f.Key]; !over && !yield(f) {
				return
			}
		}
	}
}
