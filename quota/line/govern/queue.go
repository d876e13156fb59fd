package govern

import (
	"fmt"
	"math"
)

// queueSense follows the queue as one direction sees it, and finds out whose it is by trying: when there is one, we send
// a little less. If it goes, it was ours. If it does not, or if it comes too fast to be ours, we leave the line, and come
// back when it is gone: a little at first, and more as long as it stays away.
type queueSense struct {
	recent    [lookBack]float64 // the queue at the last ticks that measured it, in bounds
	n         int
	state     queueState
	since     float64 // seconds in this state
	clearFor  float64 // seconds for which there was no queue before
	silent    float64 // seconds without a measurement
	peak      float64 // the longest queue since less is sent, in bounds
	passed    float64 // what passed then
	eased     int     // how often less was sent since
	worst     float64 // ms, lately
	foreign   float64 // ms of it that are not ours, while we are away
	pause     float64 // seconds without a queue before it comes back
	lastClear float64 // seconds since there was none at a tick

	trial            bool    // it came back although there was one, which had not moved for long
	moved            bool    // it did not follow, and it is nobody's
	still, low, high float64 // seconds for which it has not moved while we are away, and its bounds, in ms
}

type queueState int

const (
	inTheClear queueState = iota
	easing                // a little less is sent, to see whether the queue follows
	leaving               // somebody needs the line
)

const (
	// lookBack is how many ticks are looked at to tell that a queue is gone.
	lookBack = 6
	// seenTwice is how many in a row must show one: a machine that stands still for a moment spoils a single one.
	seenTwice = 2
	// sharply is how many bounds of a queue are too many to be ours.
	sharply = 5.0
	// easeTo is what is left of our rate when it is eased, easeFor for how long we look what that does, in seconds.
	easeTo  = 0.85
	easeFor = 1.0
	// easeMost is how often it is eased.
	easeMost = 2
	// easeTests is how often it is where less is not sent so soon, or cannot be: the limit is at its least already.
	easeTests = 5
	// follows is the part of the queue that must be gone by then if it was ours.
	follows = 0.15
	// tested is what must be left of what passed for that to be a test: what the kernel has taken still goes out.
	tested = 0.9
	// firstPause and longestPause are the seconds without a queue before we come back; it doubles each time that
	// somebody is still there.
	firstPause   = 1.0
	longestPause = 6.0
	// staysAfter is after how many seconds a queue that does not move is none: by less than staysShare of it, and no more
	// than staysMost, in ms, for a full buffer does not move either.
	staysAfter = 10.0
	staysShare = 0.15
	staysMost  = 60.0
	// oursGone is after how many seconds away what we sent has left the queue.
	oursGone = 1.0
	// silentAfter is the number of seconds without any measurement after which nothing is known.
	silentAfter = 5.0
)

// verdict is what is to be done about the queue.
type verdict int

const (
	letBe   verdict = iota
	ease            // send a little less
	gone            // it was ours, and is gone
	leave           // somebody needs the line
	return_         // nobody needs it any more
)

// least is the least of the last so many ticks; it is below any bound while less were seen.
func (q *queueSense) least(ticks int) float64 {
	if q.n < ticks {
		return math.Inf(-1)
	}
	least := math.Inf(1)
	for i := range ticks {
		least = min(least, q.recent[(q.n-1-i)%lookBack])
	}
	return least
}

// stays reports whether the queue has not moved for so long that no flow makes it: what does not follow whatever we or
// others do is how the ways to our peers are now. That of TCP goes up and down by more.
func (q *queueSense) stays() bool {
	return q.still >= staysAfter
}

// judge takes a reading: the queue in bounds (1 and more is a queue) and in ms, and what passes.
func (q *queueSense) judge(r reading, passed float64) verdict {
	q.since += r.dt
	q.moved = false
	if !r.known {
		if q.silent += r.dt; q.silent >= silentAfter && q.state != inTheClear {
			q.enter(inTheClear)
			return return_
		}
		return letBe
	}
	q.silent = 0
	q.recent[q.n%lookBack] = r.bounds
	q.n++
	if q.n >= 1<<30 {
		q.n = q.n%lookBack + lookBack
	}
	q.lastClear += r.dt
	if r.clear {
		q.lastClear = 0
	}
	now := q.least(seenTwice)
	if q.state != leaving || r.queue > staysMost {
		q.still = 0
	} else {
		low, high := min(q.low, r.queue), max(q.high, r.queue)
		if q.still == 0 || high-low > max(leastFelt, staysShare*high) {
			low, high, q.still = r.queue, r.queue, 0
		}
		q.low, q.high = low, high
		q.still += r.dt
	}
	switch q.state {
	case inTheClear:
		switch {
		case !r.mine || now < 1:
			return letBe
		case now >= sharply && !r.router:
			q.leave(r)
			return leave
		}
		q.clearFor = q.since
		q.enter(easing)
		q.peak, q.passed, q.eased = r.bounds, passed, 1
		return ease
	case easing:
		q.peak = max(q.peak, r.bounds)
		switch {
		case now >= sharply && now >= q.peak && !r.router:
			q.leave(r)
			return leave
		case q.since < easeFor:
			return letBe
		case r.bounds < 1:
			q.enter(inTheClear)
			return gone
		case r.bounds < q.peak*(1-follows) && q.eased < easeMost, r.router && passed > tested*q.passed && q.eased < easeTests:
			q.since, q.peak = 0, r.bounds
			q.eased++
			return ease
		case r.router: // nobody else uses the line, as the counters say: it is the ways
			q.enter(inTheClear)
			q.moved = true
			return letBe
		}
		q.leave(r)
		return leave
	}
	q.worst = max(q.worst*0.95, r.queue)
	if q.since >= oursGone/2 {
		q.foreign = min(q.foreign*1.02, r.queue)
	}
	if q.since >= q.pause && q.lastClear == 0 && q.since >= firstPause || q.stays() {
		q.enter(inTheClear)
		return return_
	}
	return letBe
}

func (q *queueSense) enter(s queueState) {
	if s == inTheClear && q.state == leaving {
		q.trial = q.stays()
	}
	q.state, q.since = s, 0
	if s == inTheClear {
		q.n = 0 // what was seen before says nothing of what we do now
	}
}

// leave is for longer each time that somebody is still there when we come back.
func (q *queueSense) leave(r reading) {
	if q.state == inTheClear {
		q.clearFor = q.since
	}
	if q.clearFor > comeBack || q.pause == 0 {
		q.pause = firstPause
	} else {
		q.pause = min(q.pause*2, longestPause)
	}
	q.enter(leaving)
	q.worst, q.foreign = r.queue, math.Inf(1)
}

// String says what was measured, while we are away: what is left of the queue when what we sent has gone is not ours.
func (q *queueSense) String() string {
	if q.since < oursGone || math.IsInf(q.foreign, 0) {
		return fmt.Sprintf("the line's queue is %.0f ms, and somebody else may need it", q.worst)
	}
	return fmt.Sprintf("the line's queue was %.0f ms, and %.0f of them are not ours", q.worst, min(q.foreign, q.worst))
}
