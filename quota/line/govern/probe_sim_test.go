package govern

import (
	"math"
	"testing"
)

// slowPeer is the queue at the end of a peer that is the only busy one: a long one that goes up and down with what the
// peer does itself, so it is not forgiven as one that never moves.
func slowPeer(from, to float64) func(now float64) float64 {
	return func(now float64) float64 {
		if now < from || now >= to {
			return 0
		}
		return .045 + .025*math.Sin(now*2*math.Pi/3) + .005*math.Sin(now*2*math.Pi/.7)
	}
}

// The household's upload from 60 to 80 is where a probe shows that it sees the line's queue. The later one begins at
// any time between two questions.
func TestAPeersOwnQueueIsNotTakenForTheLines(t *testing.T) {
	for _, c := range []struct {
		name   string
		from   float64
		probed bool
	}{
		{"without a probe", 200, false}, {"with one", 200, true}, {"just after a question", 200.3, true},
		{"between two", 200.55, true}, {"just before one", 200.8, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inEach(t, func(h *house) {
				h.flows = []*flow{{up: true, elastic: true, from: 60, to: 80}, {up: true, elastic: true, from: c.from, to: c.from + 30}}
				h.far = slowPeer(120, 260)
				if c.probed {
					h.probe = &prober{every: 1}
				}
			}, 260, func(t *testing.T, p place, h, solo *house) {
				may, used := h.used(40, 60), h.used(125, 200)
				if c.probed && used < .8*may {
					t.Errorf("with a slow peer %.1f %% of what it may are used", used/may*100)
				}
				if !c.probed && used > .5*may {
					t.Errorf("%.1f %% are used although nobody can tell that the queue is the peer's", used/may*100)
				}
				share, gone := h.flows[1].got/solo.flows[1].got, h.when(c.from, true, h.up.rate/20)
				if share < .96 {
					t.Errorf("beside a slow peer the household's upload has %.1f %% of its solo speed", share*100)
				}
				if gone > 1 {
					t.Errorf("it takes %.2f s to give way", gone)
				}
				t.Logf("with a slow peer %.1f %% of what it may; the household's share %.1f %%, gives way in %.2f s", used/may*100, share*100, gone)
			})
		})
	}
}

// Nor does a probe change what is promised to the household, whether it sees the queue or not.
func TestFiguresOfAHouseholdUploadBesideAProbe(t *testing.T) {
	for name, blind := range map[string]bool{"a hop beyond the queue": false, "a hop in front of it": true} {
		t.Run(name, func(t *testing.T) {
			inEach(t, func(h *house) {
				h.flows = []*flow{{up: true, elastic: true, from: 60, to: 90}, {up: true, elastic: true, from: 120, to: 150}}
				h.probe = &prober{every: 1, blind: blind}
			}, 190, func(t *testing.T, p place, h, solo *house) {
				for i, from := range []float64{60, 120} {
					f := figures[p.router]
					if share := h.flows[i].got / solo.flows[i].got; share < f.share {
						t.Errorf("upload %d has %.1f %% of its solo speed", i, share*100)
					}
					if gone := h.when(from, true, h.up.rate/20); gone > f.gone {
						t.Errorf("it takes %.2f s to give way", gone)
					}
					if again := h.used(from+2, from+30) / h.up.rate; again > .025 {
						t.Errorf("the background uses %.1f %% of the line during the upload", again*100)
					}
				}
				if used := h.used(100, 120) / h.up.rate; used < .85 {
					t.Errorf("%.1f %% of the line are used in between", used*100)
				}
			})
		})
	}
}
