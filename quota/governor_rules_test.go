package quota

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
			t.Errorf("%s: %.2f Mbit/s, %q", name, g.up(), g.now.reason)
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
				sent := float64(g.now.up) * guessedOverhead
				g.s.own = Rates{Up: sent * wrong}
				g.s.around.WAN = Rates{Up: sent + others}
				g.now = g.controller.decide(g.s)
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
			g.s.wire.Delay = at(ms)
			g.ticks(1, Rates{})
		}
		if g.up() < c.least || g.up() > c.most {
			t.Errorf("%s: %.2f Mbit/s, %q", name, g.up(), g.now.reason)
		}
	}

	g := newRig(false).ticks(minute, Rates{})
	g.s.wire.Delay = at(100)
	g.ticks(4, Rates{})
	g.s.wire.Known = false // nothing of ours is on its way
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
	} {
		up, down := valve{line: line{rate: 100}}, valve{line: line{rate: 1000}, taken: c.taken * 1000}
		if got := up.blames(c.up*100, &down, c.down*1000); got != (c.want == 1) {
			t.Errorf("%s: %v", name, got)
		}
	}
}
