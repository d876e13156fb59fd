package govern

import (
	"math"
	"testing"
	"time"
)

func TestWhatOthersTakeAnewIsGivenWayTo(t *testing.T) {
	const trickle = .04 // Mbit/s
	for name, c := range map[string]struct {
		before, now float64 // Mbit/s of 10
		yields      bool
	}{
		"next to nothing":           {0, .2, false},
		"something small":           {0, .6, true},
		"a call that varies":        {2, 2.6, false},
		"something beside the call": {2, 3.2, true},
	} {
		g := newRig(true).ticks(minute, Rates{Up: c.before * megabit})
		g.ticks(1, Rates{Up: c.now * megabit})
		if yields := g.up() < trickle; yields != c.yields {
			t.Errorf("%s: %.2f Mbit/s, %q", name, g.up(), g.now.Reason)
		}
	}
	g := newRig(true).ticks(minute, Rates{})
	for others := 1.0; others <= 9; others += .5 { // no chance to come back in between
		if g.ticks(1, Rates{Up: others * megabit}); g.up() > trickle {
			t.Errorf("beside a flow that has reached %.1f Mbit/s: %.2f", others, g.up())
		}
	}
}

// If we think that we send more than we do, nobody must hide behind the difference for long.
func TestAnErrorInOurOwnRateHidesNobody(t *testing.T) {
	for _, wrong := range []float64{.97, 1.05} {
		g := newRig(true)
		step := func(n int, others float64) {
			for range n {
				sent := float64(g.now.Up) * GuessedOverhead
				g.s.Own = Rates{Up: sent * wrong}
				g.s.Around.WAN = Rates{Up: sent + others}
				g.now = g.Controller.Decide(g.s)
			}
		}
		step(2*minute, 0)
		g.expect(t, "alone", 8.5, 9.31, Sharing, "sharing: ")
		step(3, 5*megabit)
		g.expect(t, "somebody uploads", 0, .04, Yielding, "yielding: someone in the house is uploading at ")
	}
}

func TestQueuesBehindTheRouter(t *testing.T) {
	at := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	for name, c := range map[string]struct {
		delays      []float64 // ms, at the next ticks
		least, most float64   // Mbit/s afterwards
	}{
		"none":               {[]float64{5, 7, 5, 7, 5, 7}, 9.2, 9.31},
		"one small":          {[]float64{12}, 9.2, 9.31}, // an acknowledgement that was late
		"one that is long":   {[]float64{30}, 9.2, 9.31},
		"small for a while":  {[]float64{12, 12}, 7.6, 7.8},
		"long for two ticks": {[]float64{30, 30}, .1, .21},
		"extreme":            {[]float64{100}, .1, .21},
	} {
		g := newRig(false).ticks(minute, Rates{})
		for _, ms := range c.delays {
			g.s.Wire.Delay = at(ms)
			g.ticks(1, Rates{})
		}
		if g.up() < c.least || g.up() > c.most {
			t.Errorf("%s: %.2f Mbit/s, %q", name, g.up(), g.now.Reason)
		}
	}

	g := newRig(false).ticks(minute, Rates{})
	g.s.Wire.Delay = at(100)
	g.ticks(4, Rates{})
	g.s.Wire.Known = false // nothing of ours is on its way
	g.ticks(16, Rates{})
	g.expect(t, "4 s without a measurement", 0, .21, Yielding, "yielding: ")
	g.ticks(minute, Rates{})
	g.expect(t, "a minute without", 9.2, 9.31, Sharing, "sharing: the line is free")
}

func TestPatience(t *testing.T) {
	var p patience
	for range 4 * 3600 {
		if q := p.queue(490, .25); q != 490 {
			t.Fatalf("a full buffer counts as %v ms", q)
		}
	}
	for i := range 4 * 3600 {
		if q := p.queue(30+20*float64(i%2), .25); q < 30 {
			t.Fatalf("a queue that goes up and down counts as %v ms", q)
		}
	}
	for range 4 * 31 {
		p.queue(40, .25)
	}
	if q := p.queue(40, .25); q != 0 {
		t.Errorf("what does not move counts as %v ms", q)
	}
	p.queue(1, .25)
	if q := p.queue(40, .25); q != 39 {
		t.Errorf("when the way is short again, 40 ms count as %v", q)
	}
}

func TestWhatIsBelievedOfTheLine(t *testing.T) {
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > want/1000 {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	var l line
	l.know(0, 0)
	near("nothing is known", l.rate, lineFirst)
	l.creep(1, true, false)
	near("and nothing used", l.rate, lineFirst)
	l.creep(1, true, true)
	near("a second later", l.rate, lineFirst*1.25)
	l.stand(100e3)
	l.creep(59, true, true)
	near("a queue", l.rate, 100e3)
	l.creep(2, true, true)
	near("a minute later", l.rate, 100e3*1.01*1.01)
	other := line{}
	other.know(0, 1e6)
	other.creep(4, true, true)
	near("what was learned", other.rate, 1e6)
	other.creep(2, true, true)
	near("and no queue shows", other.rate, 1e6*1.05*1.05)
	l.know(1e6, 0)
	near("somebody tells", l.rate, 1e6)
	l.stand(500e3)
	l.creep(6, false, false)
	near("nobody needs more", l.rate, 500e3)
	l.creep(1, true, false)
	near("somebody does", l.rate, 500e3*1.03)
	l.stand(490e3)
	l.creep(6, true, false)
	near("the same again: a longer pause", l.rate, 490e3)
	for range 200 {
		l.creep(1, true, false)
	}
	near("at last", l.rate, 1e6)
	l.know(0, 3e6)
	near("it is taken back", l.rate, 1e6)
	l.stand(1)
	near("the least", l.rate, lineLeast)
}

func TestWhichDirectionTheQueueIsIn(t *testing.T) {
	for name, c := range map[string]struct{ up, down, taken, want float64 }{
		"ours":                         {.93, .1, 0, 1},
		"both":                         {.93, .95, 0, 1},
		"the other":                    {.3, .9, 0, 0},
		"others fill the other":        {.93, 1, .9, 0},
		"others fill the other, we to": {1.1, 1, .9, 1},
		"acknowledgements only, of a line that is said to be faster": {.02, .1, 0, 0},
	} {
		up, down := direction{line: line{rate: 100}}, direction{line: line{rate: 1000}, taken: c.taken * 1000}
		if got := up.blames(c.up*100, &down, c.down*1000); got != (c.want == 1) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// What the peers' kernels hold back is no queue, and the less a connection carries, the more that is.
func TestLateAcknowledgementsAreAllowedFor(t *testing.T) {
	for name, c := range map[string]struct {
		rate        float64 // Mbit/s
		busy        int
		least, most float64 // ms
	}{
		"nothing is sent":        {0, 0, sparseSlack, sparseSlack},
		"a trickle":              {.2, 4, sparseSlack, sparseSlack},
		"something":              {4, 4, 7, 9},
		"the same on one":        {4, 1, 1, 3},
		"as much as a fast line": {1000, 4, 0, .1},
	} {
		if got := lateness(c.rate*megabit, c.busy); got < c.least || got > c.most {
			t.Errorf("%s: %.2f ms, want %v to %v", name, got, c.least, c.most)
		}
	}
}

// moment lets the background send own of a line that passes wan, both in Mbit/s, while a queue stands.
func (g *rig) moment(own, wan, ms float64) *rig {
	g.s.Own, g.s.Around.WAN = Rates{Up: own * megabit}, Rates{Up: wan * megabit}
	g.s.Wire.Delay, g.s.Wire.Busy = time.Duration(ms*float64(time.Millisecond)), 4
	g.now = g.Controller.Decide(g.s)
	return g
}

// The router's own queue keeps the kernel from sending more than the line carries, so it stays short however long it
// lasts.
func TestAShortQueueThatStaysIsTheLines(t *testing.T) {
	g := newRig(true).ticks(minute, Rates{})
	for range 16 {
		g.moment(5, 5, 11)
	}
	if line := g.now.Line.Up / megabit; line < 4.9 || line > 5.1 {
		t.Errorf("the line is believed to carry %.1f Mbit/s while 5 pass and 11 ms of queue stay", line)
	}
	g = newRig(true).ticks(minute, Rates{})
	for i := range 400 {
		g.moment(9.3, 9.3, []float64{3, 4, 11, 5}[i%4])
	}
	if line := g.now.Line.Up / megabit; line < 9.9 {
		t.Errorf("the line is believed to carry %.1f Mbit/s for queues that come and go", line)
	}
}

// When the router's queue drains, more leaves it than we send. Nobody else sends that.
func TestAQueueThatDrainsIsNobodysUpload(t *testing.T) {
	g := newRig(true).ticks(minute, Rates{})
	g.moment(8, 8, 17)
	for range 8 {
		g.moment(5, 5, 22)
	}
	g.moment(4.4, 4.7, 8)
	if g.up() < 4 {
		t.Errorf("%.2f Mbit/s, %q", g.up(), g.now.Reason)
	}
}

// While there is a queue the background does not grow, and a cut is given time to work, unless the queue grows all the
// same.
func TestACutIsGivenTimeToWork(t *testing.T) {
	back := func() *rig {
		g := newRig(false).ticks(minute, Rates{})
		for range 4 {
			g.moment(9.3, 9.3, 100)
		}
		for range 6 {
			g.moment(.2, .2, 0)
		}
		for g.up() < 5 {
			g.moment(g.up(), g.up(), 0)
		}
		return g
	}
	g := back()
	before := g.up()
	if g.moment(5, 5, 16); g.up() > before {
		t.Errorf("it grows from %.2f to %.2f Mbit/s while there is a queue", before, g.up())
	}
	g.moment(5.1, 5.1, 40)
	cut := g.up()
	if cut > 4.3 || cut < 3 {
		t.Errorf("after two ticks %.2f Mbit/s", cut)
	}
	if g.moment(cut, cut, 42); g.up() < cut*.9 {
		t.Errorf("the queue goes, and yet it falls to %.2f Mbit/s: %q", g.up(), g.now.Reason)
	}
	g = back().moment(5, 5, 16).moment(5.1, 5.1, 40).moment(3.9, 3.9, 55)
	if g.up() > .3 {
		t.Errorf("the queue grows, and it sends %.2f Mbit/s", g.up())
	}
}
