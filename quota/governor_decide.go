package quota

import "time"

// controller decides what the background may use of the line. It is pure: samples come in, decisions go out.
type controller struct {
	up, down valve
	patience patience
	where    whereabouts
	probe    probeSense
	queue    float64 // ms, at the last measurement
}

const (
	// blameMargin is by how much more of its rate one direction must carry than the other to be blamed alone for a queue.
	blameMargin = 0.2
	// blameTaken is the part of a direction that others use if the queue is taken to be theirs, and blameFull what the
	// other direction must carry of its rate all the same to be blamed as well.
	blameTaken = 0.5
	blameFull  = 0.97
	// blameAcks is the part of what the other direction carries that is no more than its acknowledgements: one of 66 bytes for
	// two segments is 2 %.
	blameAcks = 0.04
)

// blames says whether a queue may be in this direction. The delay is that of the way to a peer and back, so it does not tell.
func (v *valve) blames(rate float64, back *valve, rateBack float64) bool {
	if v.line.rate == 0 || back.line.rate == 0 {
		return true
	}
	if rate < blameAcks*rateBack {
		return false
	}
	load, loadBack := rate/v.line.rate, rateBack/back.line.rate
	if back.taken > blameTaken*back.line.rate {
		return load > max(min(loadBack, 1), blameFull)
	}
	return load > loadBack-blameMargin
}

func (c *controller) decide(s sample) decision {
	dt := seconds(s.dt)
	wan, own, fore := s.around.WAN.clean(), s.own.clean(), s.around.Foreground.clean().times(Rates{guessedOverhead, guessedOverhead})
	router := c.where.look(s.around)

	delay, known := c.probe.delay(s, c.where.router)
	if known {
		c.queue = c.patience.queue(milliseconds(delay), dt)
	}

	base := reading{dt: dt, router: router, queue: c.queue, known: known, busy: s.wire.Busy, pressed: s.around.Pressure != ""}
	up, down := base, base
	up.wan, up.own, up.fore, up.told, up.learned, up.allotted =
		wan.Up, own.Up, fore.Up, clean(s.around.Line.Up), clean(s.around.Learned.Up), float64(s.allotted.Up)
	down.wan, down.own, down.fore, down.told, down.learned, down.allotted =
		wan.Down, own.Down, fore.Down, clean(s.around.Line.Down), clean(s.around.Learned.Down), float64(s.allotted.Down)
	c.up.observe(up)
	c.down.observe(down)
	up.mine, down.mine = true, true
	if router {
		up.mine, down.mine = c.up.blames(wan.Up, &c.down, wan.Down), c.down.blames(wan.Down, &c.up, wan.Up)
	}
	limits := Rates{c.up.decide(up), c.down.decide(down)}

	d := decision{
		up: payload(limits.Up, s.wire.Overhead.Up), down: payload(limits.Down, s.wire.Overhead.Down),
		position: c.where.String(),
		line:     Rates{c.up.line.rate, c.down.line.rate},
		delay:    time.Duration(c.queue * float64(time.Millisecond)), delayed: known,
	}
	if router {
		d.others = Rates{c.up.others, c.down.others}
	}
	d.state, d.reason = c.reason(s)
	if d.state == Paused {
		d.up, d.down = 0, 0
	}
	return d
}
