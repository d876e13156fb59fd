package govern

import "testing"

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
