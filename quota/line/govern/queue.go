package govern

import "math"

// patience tells a queue from a delay that is just how the way to our peers is: one that does not move for long,
// whatever we send, was made by no flow. Times are in seconds, delays in milliseconds.
type patience struct {
	bias      float64 // the delay that is no queue
	low, high float64 // the bounds of the delay for so long
	steadily  float64
}

const (
	// biasAfter is for how long a delay stays the same before it counts as none; biasRange and biasShare say what is
	// the same, in ms and as a part of it. The queue of a TCP flow goes up and down more than this.
	biasAfter = 30.0
	biasRange = 4.0
	biasShare = 0.15
	// biasMost is the most that can be no queue, in ms: a full buffer does not move either.
	biasMost = 60.0
)

// queue returns what of a measured delay is a queue, in ms.
func (p *patience) queue(delay, dt float64) float64 {
	p.bias = min(p.bias, delay)
	low, high := min(p.low, delay), max(p.high, delay)
	if p.steadily == 0 || high-low > max(biasRange, biasShare*high) || delay-p.bias <= delaySmall || delay > biasMost {
		low, high, p.steadily = delay, delay, 0
	}
	p.low, p.high = low, high
	if p.steadily += dt; p.steadily >= biasAfter {
		p.bias, p.steadily = low, 0
	}
	return delay - p.bias
}

// Bounds of the queueing delay, in ms.
const (
	delaySmall    = 8.0  // up to here there is no queue
	delayStanding = 10.0 // so much, for standingAfter, is a queue that stands: more arrives than leaves
	delayOurs     = 20.0 // on the router, so much for two ticks is a reason to send less
	delaySharp    = 25.0 // so much for two ticks comes from somebody else, or from a line that became slower
	delayExtreme  = 60.0 // so much needs no second tick
	delayGrows    = 4.0  // by so much a queue grows in a tick, if it does
)

// Between what we send on a connection there are gaps, the longer the less it carries, and the peer waits through a gap
// before it acknowledges an odd segment, for up to 40 ms. So a delay has to be longer to be one: by the time in which a
// connection sends sparseBytes (a third of the gap between two grants, for not every segment is odd), and at most by
// sparseSlack ms.
const (
	sparseBytes = SmallestGrant / 3
	sparseSlack = 24.0
)

// lateness returns by how many ms a delay has to be longer if so many connections carry so much together, in bytes per
// second.
func lateness(rate float64, busy int) float64 {
	return min(1000*sparseBytes*float64(max(busy, 1))/max(rate, 1), sparseSlack)
}

const (
	standingAfter = 0.5  // seconds
	lingersAfter  = 3.0  // seconds after which a small queue stands, too
	clearAfter    = 1.5  // seconds without a queue after which whoever needed the line is gone
	silentAfter   = 5.0  // seconds without any measurement after which nothing is known
	cutTo         = 0.7  // what is left of our rate after a cut because of a queue on the router
	easeTo        = 0.85 // the same for a small queue behind the router
	easeWithin    = 0.5  // seconds in which that queue is to be gone
	beliefShare   = 0.7  // of the rate at which a queue was found: with less it would go
	againWithin   = 10.0 // seconds
	cutPause      = 0.75 // seconds that a cut has to take effect
)

// queueSense follows the queue as one direction sees it.
type queueSense struct {
	yielding  bool    // somebody else's flow made the queue
	clear     float64 // seconds without a queue
	elsewhere float64 // seconds for which the queue has been in the other direction
	silent    float64 // seconds without a measurement
	standing  float64 // seconds with a standing queue
	lingering float64 // seconds with any, less those without
	sharp     int     // ticks with a sharp one
	ours      int     // ticks with one of ours
	above     int     // ticks with any
	rest      float64 // seconds until the next cut
	last      float64 // ms, at the last tick that measured it
	worst     float64 // ms, lately
	short     bool    // there was a time without a queue
	eased     float64 // what we sent when it was eased last
	since     float64 // seconds since
	began     float64 // what passed when this queue was first believed to stand; 0: there is none
}

// believes reports whether a queue that stands while this rate passes can have been made by what passes. It cannot if
// it still stands when much less passes, and that because we send less and not because the line holds us up. Nor can it
// if it stood from the beginning: then it is how the way to our peers is.
func (q *queueSense) believes(rate float64, held bool) bool {
	if !q.short {
		return false
	}
	if q.began == 0 {
		q.began = rate
	}
	return held || rate >= q.began*beliefShare
}

// again reports whether a small queue comes back at the same rate: then it was not made by somebody who sent for a
// moment.
func (q *queueSense) again(rate float64) bool {
	again := q.since < againWithin && math.Abs(rate-q.eased) < lineSame*rate
	q.eased, q.since = rate, 0
	return again
}

// verdict is what is to be done about the queue.
type verdict int

const (
	letBe verdict = iota
	ease          // send a little less
	cut           // send much less
	leave         // somebody needs the line
)

// judge takes a reading of the queue. Slack is by how many ms it has to be longer to be one; full means that the line
// carries all that it is believed to, big that we send much of what we may. It returns what to do, and reports whether
// the queue stands.
func (q *queueSense) judge(r reading, slack float64, full, big bool) (verdict, bool) {
	queue := r.queue
	q.rest = max(q.rest-r.dt, 0)
	q.since += r.dt
	if !r.known {
		q.silent += r.dt
		if q.silent >= silentAfter {
			q.yielding, q.standing, q.lingering, q.sharp, q.ours = false, 0, 0, 0, 0
		}
		return letBe, false
	}
	q.silent = 0
	// One tick may be an acknowledgement that was late because there was nothing more to acknowledge.
	q.above = counted(q.above, queue >= delaySmall+slack)
	switch {
	case q.above == 0:
		q.clear += r.dt
		if queue <= delaySmall {
			q.began, q.short = 0, true
		}
	case q.above >= 2:
		q.clear = 0
	}
	if q.yielding {
		q.worst = max(q.worst*0.9, queue)
		q.elsewhere = lasting(q.elsewhere, r.dt, !r.mine)
		if q.clear >= clearAfter || q.elsewhere >= standingAfter {
			*q = queueSense{short: true}
		}
		return letBe, false
	}
	if !r.mine {
		q.standing, q.lingering, q.sharp, q.ours = 0, 0, 0, 0
		return letBe, false
	}
	q.standing = lasting(q.standing, r.dt, queue > delayStanding+slack)
	q.sharp = counted(q.sharp, queue > delaySharp+slack)
	q.ours = counted(q.ours, queue > delayOurs+slack)
	if queue > delaySmall {
		q.lingering += r.dt
	} else {
		q.lingering = max(q.lingering-r.dt, 0)
	}
	stands := q.standing >= standingAfter || q.lingering >= lingersAfter
	// After a cut the queue takes a moment to go. If it grows all the same, it is somebody else's.
	sharp := q.sharp >= 2 && (q.rest == 0 || queue > q.last+delayGrows)
	q.last = queue
	switch {
	case sharp && !(r.router && full) || queue > delayExtreme:
		q.yielding, q.clear, q.worst, q.standing, q.lingering = true, 0, queue, 0, 0
		return leave, false
	case q.rest > 0:
		return letBe, stands
	case r.router && q.ours >= 2 && big:
		q.rest = cutPause
		return cut, stands
	case !r.router && q.above >= 2 && big:
		q.rest = cutPause
		return ease, stands
	}
	return letBe, stands
}

func lasting(seconds, dt float64, on bool) float64 {
	if !on {
		return 0
	}
	return seconds + dt
}

func counted(ticks int, on bool) int {
	if !on {
		return 0
	}
	return ticks + 1
}
