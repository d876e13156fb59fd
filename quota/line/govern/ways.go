package govern

import (
	"cmp"
	"slices"
	"time"
)

// ways know the connections across the line, and tell how much longer than without a queue packets take to their peers
// and back.
//
// Each way has delays of its own: a peer's own queue, an acknowledgement that comes late. The queue that all of them
// share is the line's. So it counts what a third of what was sent met at most: a way that carries little, as one to a
// slow peer does, says little; one that carries more than the mean says no more than that; and so one that shows no
// delay where others do, because somebody in front of the queue acknowledges for the peer, does not outvote them.
type ways struct {
	known map[uint64]*way
	tick  uint64
	votes []vote // reused
}

// way is what is known of one connection.
type way struct {
	least   time.Duration // the shortest round trip it ever had; 0: not known
	trusted bool          // it was seen while there was no queue, so least was measured without one
	seen    uint64        // the tick at which it was seen last
	carries float64       // bytes in a tick, lately
	ticks   int           // for how many it has been known
	told    vote          // the last one
	at      uint64        // the tick of that
}

// vote is what a way says: a delay, as the mean of so many measurements, each of which is so much off. In ms.
type vote struct{ delay, of, noise, weight float64 }

const (
	// votesEnough is the part of what was sent whose delay counts.
	votesEnough = 1.0 / 3
	// smoothed is of how many measurements the kernel's smoothed round trip is the mean (RFC 6298: an eighth each).
	smoothed = 15
	// carriesLately is the part of what a way carries that a tick leaves: the mean of ten seconds.
	carriesLately = 1.0 / 40
	// toldLately is for how many ticks a delay counts unless freshEnough are new: where little is sent, a tick has one
	// of one way only.
	toldLately  = 6
	freshEnough = 3
	// wayKept is for how many ticks a silent connection is remembered.
	wayKept = 240
)

// delay returns the delay that counts, the mean of 0 measurements if there was none.
func (w *ways) delay(now []Way) vote {
	if w.known == nil {
		w.known = map[uint64]*way{}
	}
	w.tick++
	mean, news := 0.0, false
	for _, now := range now {
		is := w.known[now.ID]
		if is == nil {
			is = &way{}
			w.known[now.ID] = is
		}
		is.seen = w.tick
		is.ticks++
		is.carries += (clean(now.Bytes) + 1 - is.carries) * max(carriesLately, 1/float64(is.ticks))
		mean += is.carries / float64(len(w.known))
		if now.Least > 0 && (is.least == 0 || now.Least < is.least) {
			is.least = now.Least
		}
		if now.Measured && is.least > 0 {
			is.at, news = w.tick, true
			is.told = vote{delay: milliseconds(now.Trip - is.least), of: min(clean(now.Acks-1)+1, smoothed), noise: milliseconds(now.Vary)}
		}
	}
	w.votes = w.votes[:0]
	trusted, fresh := false, 0
	for _, is := range w.known {
		trusted = trusted || is.trusted && is.at == w.tick
		if is.at == w.tick {
			fresh++
		}
	}
	lately := uint64(1)
	if fresh < freshEnough {
		lately = toldLately
	}
	for _, is := range w.known {
		if is.at > 0 && w.tick-is.at < lately && (is.trusted || !trusted) {
			is.told.weight = min(is.carries, max(mean, 1))
			w.votes = append(w.votes, is.told)
		}
	}
	for id, is := range w.known {
		if w.tick-is.seen > wayKept {
			delete(w.known, id)
		}
	}
	if len(w.votes) == 0 || !news {
		return vote{}
	}
	slices.SortFunc(w.votes, func(a, b vote) int { return cmp.Compare(a.delay, b.delay) })
	var all, sum float64
	for _, v := range w.votes {
		all += v.weight
	}
	for _, v := range w.votes {
		if sum += v.weight; sum >= votesEnough*all {
			return v
		}
	}
	return vote{}
}

// trust is called while there is no queue.
func (w *ways) trust() {
	for _, is := range w.known {
		is.trusted = is.trusted || is.seen == w.tick
	}
}
