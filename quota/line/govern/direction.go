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
	arrived  float64 // what of ours arrived
	queue    float64 // the queueing delay in ms
	bounds   float64 // the same in bounds: 1 and more is a queue
	clear    bool    // there is none, however few measurements say so
	known    bool    // the queue was measured since the last reading
	mine     bool    // the queue is in this direction, as far as can be told
	ours     bool    // if it is ours, it is in this direction
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
	line   line
	queue  queueSense
	limit  float64
	tent   float64 // where a queue showed as it came back the last time; 0: it did not
	held   float64 // seconds since it came back
	back   bool    // it is coming back
	blamed bool    // a queue that begins now, or began, is in this direction if it is ours
	tries  float64 // seconds for which it counts as trying whether the line carries more

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
	trickleBehind = 0.012
	// comeBack is about how long it takes in seconds to come back. It begins with backFrom of what it may have, or with
	// tentShare of where a queue showed the last time, and grows by backFaster more each second, each second.
	comeBack   = 8.0
	backFrom   = 0.1
	backFaster = 0.08
	tentShare  = 0.7
	// tentHeld is for how long it must have been back without a queue for the next one to be ours, in seconds, and
	// tentSame how close that must be to the last one, as a part.
	tentHeld = 2.0
	tentSame = 0.25
	// knownShare is the part of the line from which on a queue may be ours: with less, somebody else is there.
	knownShare = 0.5
	// triesFor is for how many seconds after more was tried a queue may be of that.
	triesFor = 2.0
	// debtDecay and debtMost, in seconds, bound how late an interface may count what we sent: it may stand in a
	// queue before it is counted, and some drivers count in lumps.
	debtDecay = 2.0
	debtMost  = 2.0
	// usedUp is the part of its limit that the background uses if it has enough to send.
	usedUp = 0.85
	// mostRate is beyond every line: 1 Tbit/s.
	mostRate = 1e12 / 8
)

// observe takes a reading: the first half of a tick, after which decide is called with the same.
func (d *direction) observe(r reading) {
	d.line.know(r.told, r.learned)
	if r.router {
		d.line.pass(r.wan, r.known && r.bounds >= 1)
	}
	d.notice(r)
}

// decide returns the limit from now on.
func (d *direction) decide(r reading) float64 {
	ceiling := d.ceiling(r.allotted)
	trickle := trickleRouter
	if !r.router || d.queue.state == leaving && d.taken < d.line.rate/4 {
		trickle = trickleBehind
	}
	least := min(trickle*d.line.rate, ceiling)
	room := roomShare*d.line.rate - takenShare*d.taken
	target := min(ceiling, max(room, least))

	passed := r.own
	if r.router {
		passed = r.wan
	}
	carried := min(passed, max(r.arrived, passed/4)+passed-r.own) // what the line carried of it
	if r.arrived == 0 {
		carried = passed
	}
	if d.queue.state == inTheClear {
		d.blamed = r.ours
	}
	all := d.limit > 0 && r.own >= usedUp*d.limit // it uses what it may
	used := d.blamed && all
	d.held += r.dt
	d.tries = max(d.tries-r.dt, 0)
	switch verdict := d.queue.judge(r, passed); verdict {
	case ease:
		if !r.router && d.back && carried < knownShare*d.line.rate {
			d.queue.leave(r)
			d.lost(carried, used)
			break
		}
		if d.queue.since == 0 && used {
			d.queue.passed = carried
		}
		d.limit = max(min(easeTo*min(d.limit, max(r.own, least)), .95*carried), least)
	case gone:
		switch {
		case !used:
		case d.queue.passed >= knownShare*d.line.rate:
			d.line.find(d.queue.passed)
			d.limit = min(d.limit, autoShare*d.line.rate)
		default:
			d.lost(d.queue.passed, used)
			d.back, d.held = true, 0
		}
	case leave:
		d.lost(carried, used)
	case return_:
		d.back, d.held = true, 0
		d.limit = max(backFrom*target, least)
		if d.tent > 0 {
			d.limit = min(max(tentShare*d.tent, least), target)
		}
	}
	bound := r.allotted < 0 || r.allotted >= roomShare*d.line.rate // it is the line that does, and not the owner
	if d.queue.state == inTheClear && r.known && r.bounds < .5 && all && bound && target >= ceiling && d.limit >= .98*ceiling {
		before := d.line.rate
		d.line.grow(r.dt)
		if d.line.rate > before {
			d.tries = triesFor
		}
	}
	ceiling = d.ceiling(r.allotted) // the line may be believed to carry more now, or less
	target = min(ceiling, max(roomShare*d.line.rate-takenShare*d.taken, least))
	gives := d.giving > 0 || d.queue.state == leaving || r.pressed
	switch {
	case gives:
		if d.limit > least {
			d.back, d.held = true, 0
		}
		d.limit, d.why = least, noNeed
	case d.queue.state == easing:
		d.limit, d.why = min(d.limit, target), noNeed
	case target > d.limit && (d.limit < backFrom*target || all):
		d.limit = max(d.limit, backFrom*target)
		d.limit = min(d.limit*math.Exp(min(backFaster*max(d.held, .5), .5)*r.dt), target)
		d.why = comingBack
		if d.limit >= target {
			d.back, d.tent, d.why = false, 0, noNeed
		}
	default: // what is not used need not grow
		d.limit, d.why = min(d.limit, target), noNeed
	}
	d.explain(r, ceiling, gives, room)
	return d.limit
}

// lost notes that a queue made us leave while this rate was carried. If that has happened at the same rate before, after
// some time without a queue, nobody else is there: it is what the line carries.
func (d *direction) lost(carried float64, used bool) {
	if !used {
		return
	}
	if d.back && d.held >= tentHeld && d.tent > 0 && math.Abs(carried-d.tent) < tentSame*d.tent {
		d.line.find(carried)
	}
	d.tent = carried
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
	case taken && (gives && d.taken > d.line.rate/4 || d.giving > 0 || d.queue.state != leaving && room < ceiling/4):
		d.why = forOthers
		if d.fore > d.others {
			d.why = forOwner
		}
	case d.queue.state == leaving:
		d.why = forQueue
	case taken && d.limit < ceiling:
		d.why = roomBeside
	}
}
