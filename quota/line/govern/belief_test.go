package govern

import (
	"strings"
	"testing"
	"time"
)

func TestWhyTheLineIsBelievedToCarryWhatItDoes(t *testing.T) {
	g := newRig(false).ticks(minute, Rates{})
	if b := g.now.Beliefs[0]; b.Why != "as it was told" || b.Rate != g.now.Line.Up || b.For < 55*time.Second {
		t.Errorf("told right: %+v", b)
	}
	g = newRig(false)
	g.s.Around.Line = Rates{Up: 40 * megabit, Down: 200 * megabit}
	g.ticks(minute, Rates{})
	if b := g.now.Beliefs[0]; !strings.HasPrefix(b.Why, "a queue of ours began at ") || b.Rate > 11*megabit {
		t.Errorf("told too much: %+v", b)
	}
	g = newRig(false)
	g.s.Around.Line = Rates{}
	g.ticks(4, Rates{})
	if b := g.now.Beliefs[0]; !strings.Contains(b.Why, "no queue has shown yet") {
		t.Errorf("told nothing: %+v", b)
	}
}

// Whatever happened, a line that nobody else uses is used again within half a minute.
func TestEveryBeliefHeals(t *testing.T) {
	for name, hurt := range map[string]func(g *rig){
		"a line that was slow":           func(g *rig) { g.Controller.up.line.find(megabit) },
		"a delay that has come to stay":  func(g *rig) { g.least = 31 },
		"nothing was measured":           func(g *rig) { g.silent = true; g.ticks(minute, Rates{}); g.silent = false },
		"a long queue":                   func(g *rig) { g.stands = 450 },
		"a household that used it whole": func(g *rig) { g.ticks(minute, Rates{Up: 12 * megabit}) },
	} {
		for _, router := range []bool{true, false} {
			g := newRig(router).ticks(minute, Rates{})
			hurt(g)
			g.ticks(minute/2, Rates{})
			if g.up() < 7.9 {
				t.Errorf("%s, router %v: after half a minute %.1f Mbit/s, %s", name, router, g.up(), g.now.Reason)
			}
		}
	}
}
