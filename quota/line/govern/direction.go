package govern

import "math"

// reading is one direction's part of a sample. Rates are bytes per second on the wire.
type reading struct {
	dt       float64 // seconds since the last one
	router   bool    // wan is known, and is what the whole household uses
	wan      float64
	own      float64 // the background's
	fore     float64 // the foreground's
	told     float64 // what the line carries, as the owner or the router says; 0: they do not
	learned  float64 // what the line carries, as was learned; 0: nothing was
	allotted float64 // what the owner lends; negative: as much as is not felt
	queue    float64 // the queueing delay in ms
	known    bool    // the queue was measured since the last reading
	busy     int     // connections that carry something
	mine     bool    // the queue is in this direction, as far as can be told
	pressed  bool    // the machine is short of something
}

// direction decides how much the background may send (or receive: there are two). It is pure: it has no clock, does no
// I/O and takes no locks. Rates are bytes per second on the wire, times seconds.
//
// On the router, where the counters show what the household uses, the background gets what the household leaves, less a
// margin. As soon as the household takes more than before, the background gets next to nothing: what it takes may be a
// flow that uses whatever it gets, and how much that is shows only when nobody is in its way. Elsewhere only the queue
// tells.
type direction struct {
	line  line
	queue queueSense
	limit float64
	peak  float64    // the most that the background used lately: how fast it comes back depends on it
	last  [2]float64 // what passed at the last ticks, the newest first: in all on the router, else own

	debt   float64            // bytes of ours that the interface has not counted yet
	stood  float64            // the queue at the last tick, in ms
	taken  float64            // what all others use, the foreground among them: rises at once, falls slowly
	past   [riseTicks]float64 // taken at the last ticks
	next   int
	giving float64 // seconds left in which it gives way, to see how much they take

	others float64 // what others used at the last tick, without the foreground
	fore   float64
	why    need
}

// need is who needs what the background does not have, the graver the later.
type need int

const (
	noNeed     need = iota // nobody: the background has all that it may have
	comingBack             // nobody any more: the background is coming back
	roomBeside             // others use the line, and leave room
	forOthers              // others need the line
	forOwner               // the foreground needs it
	forQueue               // the queue says that somebody needs it
	forMachine             // the machine is short of memory or the like
)

const (
	// autoShare is the part of the line that the background uses if the owner leaves it to us, and roomShare what it
	// and all others together may use: at more the queue of the line grows for moments (packets come in clusters).
	autoShare = 0.93
	roomShare = 0.94
	// takenShare is how much of the line is left to others for each byte that they take, so that they can take more.
	takenShare = 1.15
	// takenDecay is the time in seconds in which what others took falls to a third (1/e), once they stop: the pauses
	// between the parts of a web page are shorter.
	takenDecay = 1.2
	// Others are given way to when they take more than they did riseTicks before, by riseShare of that and riseLine of
	// the line. Measurements and calls vary by less.
	riseShare = 0.25
	riseLine  = 0.035
	riseTicks = 4
	// giveFor is for how many seconds more it gives way when they have stopped taking ever more.
	giveFor = 0.5
	// trickleRouter and trickleBehind are the parts of the line that it keeps when it gives way, on the router and
	// behind it. Where only the queue tells, some packets must go on measuring it.
	trickleRouter = 0.003
	trickleBehind = 0.02
	// comeBack is the time in seconds in which the background comes back to its peak. At the start startShare of the
	// line counts as its peak; it never counts as less than leastPeak of the line, and falls to a third (1/e) in
	// peakDecay seconds in which less is used.
	comeBack   = 8.0
	startShare = 0.25
	leastPeak  = 0.04
	peakDecay  = 60.0
	// debtDecay and debtMost, in seconds, bound how late an interface may count what we sent: it may stand in a
	// queue before it is counted, and some drivers count in lumps.
	debtDecay = 2.0
	debtMost  = 2.0
	// ownAtQueue is the part of what we sent when the queue grew that the line carried, where only that is known.
	ownAtQueue = 0.95
	// bigShare is the part of its limit that the background uses if it has enough to send.
	bigShare = 0.5
	fullLine = 0.8  // of the line's rate: it counts as full
	usedUp   = 0.8  // of the limit: with less, it is the line or the peers that hold us up
	allOf    = 0.93 // of the limit: with more, nothing does
	almost   = 0.95 // of the ceiling: the limit counts as having reached it
	// mostRate is beyond every line: 1 Tbit/s.
	mostRate = 1e12 / 8
)

// observe takes a reading: the first half of a tick, after which decide is called with the same.
func (d *direction) observe(r reading) {
	d.line.know(r.told, r.learned)
	if r.router {
		d.line.pass(r.wan, r.known && r.queue > delaySmall)
	}
	if d.peak == 0 {
		d.peak = startShare * d.line.rate
	}
	// That the background uses little while it gives way says nothing of how much it used.
	if d.giving <= 0 && !d.queue.yielding && d.taken < d.line.rate/2 {
		d.peak *= math.Exp(-r.dt / peakDecay)
	}
	d.peak = max(r.own, d.peak)
	d.notice(r)
}

// decide returns the limit from now on.
func (d *direction) decide(r reading) float64 {
	passed := r.own
	if r.router {
		passed = r.wan
	}
	full := passed >= fullLine*d.line.rate
	big := r.own >= bigShare*d.limit
	slack := lateness(r.own, r.busy)
	verdict, stands := d.queue.judge(r, slack, full, big)
	if verdict == ease && d.queue.again(passed) {
		stands = true
	}
	// When a queue stands, we may have sent less just now; then the line carried what passed before. But if it is the
	// line that holds us up, it carries what passes now.
	held := r.own < usedUp*d.limit
	most := passed
	if !held {
		most = max(passed, d.last[0], d.last[1])
	}
	if stands && (r.router || big) {
		if !r.router {
			most *= ownAtQueue
		}
		if most < d.line.rate && d.queue.believes(most, held) {
			d.line.stand(most)
			d.queue.standing, d.queue.lingering = 0, 0
		}
	}
	bound := d.limit >= almost*d.ceiling(r.allotted) // so that more would be noticed
	d.line.creep(r.dt, bound, bound && r.known && r.queue < delaySmall+slack && r.own >= allOf*d.limit)

	ceiling := d.ceiling(r.allotted)
	trickle := trickleRouter
	if !r.router || d.queue.yielding && d.taken < d.line.rate/4 {
		trickle = trickleBehind
	}
	least := min(trickle*d.line.rate, ceiling)
	room := roomShare*d.line.rate - takenShare*d.taken
	target := min(ceiling, max(room, least))
	sent := min(d.limit, max(r.own, least)) // what a cut is a part of
	switch verdict {
	case leave:
		d.peak = min(d.peak, max(passed, d.last[0], d.last[1]))
	case cut:
		target = min(target, max(cutTo*sent, least))
	case ease:
		target = min(target, max(easeTo*sent-r.queue/1000/easeWithin*passed, least))
	}
	if r.known && r.mine && d.queue.above > 0 { // no more until it is clear what made the queue
		target = min(target, d.limit)
	}
	gives := d.giving > 0 || d.queue.yielding || r.pressed
	if gives {
		target = least
	}
	d.last = [2]float64{passed, d.last[0]}
	if pace := min(max(d.peak, leastPeak*d.line.rate), d.line.rate) / comeBack; target > d.limit+pace*r.dt {
		target = d.limit + pace*r.dt
		d.why = comingBack
	} else {
		d.why = noNeed
	}
	d.limit = target
	d.explain(r, ceiling, gives, room)
	return d.limit
}

// ceiling is the most that the background may have of the line.
func (d *direction) ceiling(allotted float64) float64 {
	if allotted < 0 {
		return autoShare * d.line.rate
	}
	return min(allotted, roomShare*d.line.rate)
}

// notice follows what others take, and gives way when it rises.
func (d *direction) notice(r reading) {
	rest := r.fore // what else there is does not show
	if r.router {
		d.debt += (r.own - r.wan) * r.dt
		if r.known { // what stood in the queue and does not any more was counted now, and was sent long ago
			d.debt += max(d.stood-r.queue, 0) / 1000 * d.line.rate
		}
		rest = max(-d.debt/r.dt, 0)
		d.debt = min(max(d.debt, 0), debtMost*d.line.rate)
		if r.wan > r.own/2 { // it counts now
			d.debt *= math.Exp(-r.dt / debtDecay)
		}
	} else {
		d.debt = 0
	}
	if r.known {
		d.stood = r.queue
	}
	d.fore = min(r.fore, rest)
	d.others = rest - d.fore
	before := d.past[d.next%riseTicks]
	d.taken = max(rest, d.taken*math.Exp(-r.dt/takenDecay))
	d.past[d.next%riseTicks] = d.taken
	d.next++
	d.giving = max(d.giving-r.dt, 0)
	if rest > before*(1+riseShare)+riseLine*d.line.rate {
		d.giving = giveFor
	}
}

// explain finds who needs what is held back.
func (d *direction) explain(r reading, ceiling float64, gives bool, room float64) {
	const noticeable = 0.02 // of the line
	taken := d.taken > noticeable*d.line.rate
	switch {
	case r.pressed:
		d.why = forMachine
	case taken && (gives && d.taken > d.line.rate/4 || d.giving > 0 || !d.queue.yielding && room < ceiling/4):
		d.why = forOthers
		if d.fore > d.others {
			d.why = forOwner
		}
	case d.queue.yielding:
		d.why = forQueue
	case taken && d.limit < ceiling:
		d.why = roomBeside
	}
}
