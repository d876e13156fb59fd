package peersource

import (
	"container/heap"
	"time"
)

// Of the trackers in tiers (BEP 12) one is announced to: the first of all that works. Those after it stand by until it
// fails. In its tier, one that works comes first from then on.

// untiered is the tier of what is announced to whatever others do.
const untiered = -1

// place is where a torrent is to be announced.
type place struct {
	source string
	tier   int16
}

// before reports whether e is tried before other.
func (e *entry) before(other *entry) bool {
	return e.tier < other.tier || e.tier == other.tier && e.order < other.order
}

// standBy reports, and notes, that an entry which is due has to wait for another to fail.
func (e *entry) standBy() bool {
	e.standby = false
	if e.tier == untiered || !e.wanted {
		return false
	}
	for _, other := range e.of.entries {
		if other != e && other.tier != untiered && other.wanted && other.failures == 0 && other.before(e) {
			e.standby = true
		}
	}
	return e.standby
}

// wake makes those due that stand by: one that they wait for may have failed or gone.
func (r *record) wake(s *schedule, now time.Duration) {
	for _, e := range r.entries {
		if e.standby && e.index >= 0 {
			e.due = min(e.due, max(now, e.polite()))
			heap.Fix(&s.due, int(e.index))
		}
	}
}

// comeFirst moves an entry that works to the front of its tier.
func (e *entry) comeFirst() {
	if e.tier == untiered {
		return
	}
	first := e.order
	for _, other := range e.of.entries {
		if other != e && other.tier == e.tier && other.order <= first {
			first = other.order - 1
		}
	}
	e.order = first
}
