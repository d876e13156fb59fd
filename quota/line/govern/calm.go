package govern

import "math"

// calm knows what the delay is like while there is no queue: its level, which is what our own packets and the peers'
// habits make of it, and how much it varies. What is more than that is measured in units of it and of the line's own
// pace. All is in milliseconds.
type calm struct {
	level   float64
	noise   float64 // by how much a single measurement is off, lately
	floor   float64 // the least lately
	began   float64 // seconds
	last    float64
	shifted float64 // by how much it was shifted last
}

const (
	// calmRises and calmNoise are the seconds in which level and noise follow what is measured, calmReturns those for
	// the level while we come back. What is less counts sooner, as a queue only adds.
	calmRises   = 20.0
	calmReturns = 2.0
	calmNoise   = 10.0
	calmFalls   = 1.0
	// calmForgets are the seconds in which the floor rises. The level is never far above it: a queue that creeps up is
	// a queue.
	calmForgets = 120.0
	// A queue is what is above the level by so many deviations and so many of the line's full segments.
	calmDeviations = 3.0
	calmSegments   = 1.5
	// leastFelt is a queue that nobody feels, in ms. It is the governor's one figure in absolute time, and belongs to
	// people, not to lines: what is promised is 10 ms and more.
	leastFelt = 5.0
	// calmFirst is the noise that is assumed at first: an acknowledgement in some is 40 ms late.
	calmFirst = 10.0
	// calmMost is the most noise that is believed: acknowledgements that are 40 ms late and others that are not.
	calmMost = 20.0
	segment  = 1514.0 // bytes of a full one on the wire
)

// above is by how much a delay is above the level.
func (c *calm) above(delay float64) float64 { return delay - c.level }

// bound is from where on what is above the level is a queue, on a line that carries so many bytes per second, if it is
// the mean of so many measurements.
func (c *calm) bound(rate, of float64) float64 {
	return leastFelt + calmSegments*1000*segment/max(rate, lineLeast) + calmDeviations*c.noise/math.Sqrt(max(of, 1))
}

// hear takes by how much measurements are off, while there is no queue.
func (c *calm) hear(noise, dt float64) {
	c.noise += (min(noise, calmMost) - c.noise) * min(dt/calmNoise, 1)
}

// see takes any delay.
func (c *calm) see(delay, dt float64) {
	if c.began == 0 {
		c.level, c.floor, c.noise, c.last = delay, delay, calmFirst, delay
	}
	c.began += dt
	both := max(delay, c.last) // a single one may be wrong
	c.last = delay
	c.floor += max(both-c.floor, 0) * dt / calmForgets
	c.floor = min(c.floor, both)
	if off := c.level - delay; off > 0 {
		c.level -= off * min(dt/calmFalls, 1)
	}
}

// learn takes a delay that is no queue. Quickly is while we come back: where ways jitter, the more is sent, the more of
// it is held up by what was late before it.
func (c *calm) learn(delay, dt float64, quickly bool) {
	in := calmRises
	if quickly {
		in = calmReturns
	}
	c.level = min(c.level+max(delay-c.level, 0)*min(dt/in, 1), c.floor+leastFelt+calmDeviations*c.noise)
}

// shift takes it that so much of the delay is the way's: it has come to stay, and does not move.
func (c *calm) shift(by float64) {
	c.level += by
	c.floor += by
	c.shifted = by
}
