package govern

import "time"

// Controller decides what the background may use of the line. It is pure: samples come in, decisions go out.
type Controller struct {
	up, down direction
	calm     calm
	where    whereabouts
	probe    probeSense
	ways     ways
	queue    float64 // ms, at the last measurement
}

const (
	// trialFor is for how many seconds we look whether a queue that does not move follows what we send.
	trialFor = 3.0
	// blameMargin is by how much more of its rate one direction must carry than the other to be blamed alone for a
	// queue.
	blameMargin = 0.2
	// blameTaken is the part of a direction's rate from which on the queue is taken to be that of the others who use
	// it. The other direction must carry blameFull of its rate to be blamed all the same.
	blameTaken = 0.5
	blameFull  = 0.97
	// blameAcks is the part of what the other direction carries that is no more than its acknowledgements: one of 66
	// bytes for two segments is 2 %.
	blameAcks = 0.04
)

// blames reports whether a queue may be in this direction, which carries so much, rather than back. The delay that was
// measured is that of the way to a peer and back, so it does not say.
func (d *direction) blames(rate float64, back *direction, rateBack float64) bool {
	if d.line.rate == 0 || back.line.rate == 0 {
		return true
	}
	if rate < blameAcks*rateBack {
		return false
	}
	load, loadBack := rate/d.line.rate, rateBack/back.line.rate
	if back.taken > blameTaken*back.line.rate {
		return load > max(min(loadBack, 1), blameFull)
	}
	return load > loadBack-blameMargin
}

// pace is how fast a direction's packets pass that we wait for: of acknowledgements only, it does not matter.
func (c *Controller) pace(d *direction, own float64) float64 {
	if d.line.rate == 0 || own < blameAcks*d.line.rate && d == &c.down {
		return mostRate
	}
	return d.line.rate
}

// Decide takes a sample, about a Tick after the one before, and returns what the background may do until the next.
func (c *Controller) Decide(s Sample) Decision {
	dt := seconds(s.DT)
	wan, own, fore := s.Around.WAN.clean(), s.Own.clean(), s.Around.Foreground.clean().times(Rates{GuessedOverhead, GuessedOverhead})
	router := c.where.onRouter(s.Around)

	tcp := c.ways.delay(s.Wire.Ways)
	measured := tcp.of > 0
	if measured {
		c.calm.see(tcp.delay, dt)
		if c.calm.began < calmRises || c.up.queue.state == inTheClear && c.down.queue.state == inTheClear {
			c.calm.hear(tcp.noise, dt)
		}
	}
	pace := min(c.pace(&c.up, own.Up), c.pace(&c.down, own.Down))
	bound := c.calm.bound(pace, tcp.of)
	delay, known := c.probe.delay(s, c.calm.above(tcp.delay), bound, measured, c.where.router)
	if known {
		c.queue = max(delay, 0)
	}
	bounds := c.queue / bound
	clear := c.queue < c.calm.bound(pace, smoothed)

	base := reading{dt: dt, router: router, queue: c.queue, bounds: bounds, clear: clear, known: known, pressed: s.Around.Pressure != ""}
	up, down := base, base
	up.wan, up.own, up.fore, up.told, up.learned, up.allotted =
		wan.Up, own.Up, fore.Up, clean(s.Around.Line.Up), clean(s.Around.Learned.Up), float64(s.Allotted.Up)
	down.wan, down.own, down.fore, down.told, down.learned, down.allotted =
		wan.Down, own.Down, fore.Down, clean(s.Around.Line.Down), clean(s.Around.Learned.Down), float64(s.Allotted.Down)
	up.arrived = clean(s.Wire.Acked * s.Wire.Overhead.Up / dt)
	c.up.observe(up)
	c.down.observe(down)
	up.mine, down.mine = true, true
	if router {
		up.mine, down.mine = c.up.blames(wan.Up, &c.down, wan.Down), c.down.blames(wan.Down, &c.up, wan.Up)
	}
	up.ours, down.ours = up.mine && c.up.blames(own.Up, &c.down, own.Down), down.mine && c.down.blames(own.Down, &c.up, own.Up)
	if (c.up.tries > 0) != (c.down.tries > 0) { // it has just been asked for
		up.ours, down.ours = up.ours && c.up.tries > 0, down.ours && c.down.tries > 0
	}
	limits := Rates{c.up.decide(up), c.down.decide(down)}
	for _, d := range []*direction{&c.up, &c.down} {
		switch q := &d.queue; {
		case q.moved || q.trial && q.since == 0:
			c.calm.shift(delay)
		case q.trial && q.state == leaving: // it was a queue after all
			q.trial = false
			c.calm.shift(-c.calm.shifted)
		case q.trial && q.since > trialFor:
			q.trial = false
		}
	}
	settled := c.up.queue.state == inTheClear && c.down.queue.state == inTheClear
	if known && bounds < 1 && settled {
		if measured && c.up.tries == 0 && c.down.tries == 0 {
			c.calm.learn(tcp.delay, dt, c.up.back || c.down.back)
		}
		c.probe.usual(s.Around, dt)
		c.ways.trust()
	}

	d := Decision{
		Up: payload(limits.Up, s.Wire.Overhead.Up), Down: payload(limits.Down, s.Wire.Overhead.Down),
		Position: c.where.String(), Router: c.where.router,
		Beliefs: [2]Belief{c.up.line.believed(dt), c.down.line.believed(dt)},
		Line:    Rates{c.up.line.rate, c.down.line.rate},
		Usual:   time.Duration(c.calm.level * float64(time.Millisecond)), Bound: time.Duration(bound * float64(time.Millisecond)),
		Delay: time.Duration(c.queue * float64(time.Millisecond)), Delayed: known,
	}
	if router {
		d.Others = Rates{c.up.others, c.down.others}
	}
	d.State, d.Reason = c.reason(s)
	if d.State == Paused {
		d.Up, d.Down = 0, 0
	}
	return d
}
