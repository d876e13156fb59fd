package govern

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// place is where the agent is, and where the line's queue is.
type place struct {
	router, atModem bool
}

func (p place) String() string {
	switch {
	case !p.router:
		return "behind"
	case p.atModem:
		return "router, queue in the modem"
	}
	return "router"
}

var places = []place{{router: true}, {router: true, atModem: true}, {}}

// inEach runs a scene in each place, and beside it the same scene without a background.
func inEach(t *testing.T, scene func(h *house), seconds float64, check func(t *testing.T, p place, h, solo *house)) {
	for _, p := range places {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			build := func() *house {
				h := newHouse(10*megabit, 50*megabit)
				h.router, h.atModem = p.router, p.atModem
				scene(h)
				return h
			}
			h, solo := build(), build()
			solo.allotted = Allotment{}
			solo.run(seconds)
			h.run(seconds)
			check(t, p, h, solo)
			if t.Failed() {
				for _, d := range h.decisions {
					t.Logf("%6.2f own %5.2f limit %5.2f line %5.2f queue %v: %s", d.at, d.own.Up/megabit,
						float64(d.was.Up)/megabit, d.was.Line.Up/megabit, d.was.Delay.Round(time.Millisecond), d.was.Reason)
				}
			}
		})
	}
}

// figures are what is promised: rates as parts of the line's, delays in ms, times in seconds. The model has no packets
// that come in clusters, so its delays have to be well below what is promised.
var figures = map[bool]struct{ ping, used, share, added, gone, back float64 }{
	true:  {ping: 3, used: .90, share: .985, added: 2, gone: .75, back: 11},
	false: {ping: 5, used: .90, share: .970, added: 4, gone: 1, back: 12},
}

func TestFiguresOfAHouseholdUpload(t *testing.T) {
	inEach(t, func(h *house) {
		h.flows = []*flow{{up: true, elastic: true, from: 60, to: 90}}
	}, 130, func(t *testing.T, p place, h, solo *house) {
		f, line := figures[p.router], h.up.rate
		if ping := h.ping95(30, 60); ping > f.ping {
			t.Errorf("silent house: the ping rises by %.1f ms", ping)
		}
		if used := h.used(30, 60) / line; used < f.used {
			t.Errorf("silent house: %.1f %% of the line are used", used*100)
		}
		if share := h.flows[0].got / solo.flows[0].got; share < f.share {
			t.Errorf("the upload has %.1f %% of its solo speed", share*100)
		}
		if added := h.ping95(60, 90) - solo.ping95(60, 90); added > f.added {
			t.Errorf("the upload's ping rises by another %.1f ms", added)
		}
		if gone := h.when(60, true, line/20); gone > f.gone {
			t.Errorf("it takes %.2f s to give way", gone)
		}
		if again := h.used(62, 90) / line; again > .025 {
			t.Errorf("the background uses %.1f %% of the line during the upload", again*100)
		}
		if back := h.when(90.5, false, .8*h.used(30, 60)); back+.5 > f.back {
			t.Errorf("it takes %.2f s to come back", back+.5)
		}
		if line := h.decided.Line.Up / megabit; line < 9.7 || line > 10.3 {
			t.Errorf("the line is believed to carry %.1f Mbit/s", line)
		}
		said, want := h.reasons(62, 89), "yielding: someone in the house is uploading at "
		if !p.router {
			want = "yielding: the line's queue is "
		}
		for _, r := range said {
			if !strings.HasPrefix(r, want) {
				t.Errorf("it says %q", r)
			}
		}
		t.Logf("silent: +%.1f ms, %.1f %%; upload: share %.1f %%, +%.1f ms; gives way in %.2f s, is back in %.2f s", h.ping95(30, 60), h.used(30, 60)/line*100,
			h.flows[0].got/solo.flows[0].got*100, h.ping95(60, 90)-solo.ping95(60, 90), h.when(60, true, line/20), h.when(90.5, false, .8*h.used(30, 60))+.5)
	})
}

// The background uploads meanwhile. On the router it need not give way: nobody else uploads. Behind it, nobody can
// tell.
func TestFiguresOfAHouseholdDownload(t *testing.T) {
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("the background downloads too: %v", both), func(t *testing.T) {
			inEach(t, func(h *house) {
				h.flows = []*flow{{elastic: true, from: 60, to: 90}}
				if both {
					h.allotted.Down = Auto
				}
			}, 130, func(t *testing.T, p place, h, solo *house) {
				if share := h.flows[0].got / solo.flows[0].got; share < figures[p.router].share {
					t.Errorf("the download has %.1f %% of its solo speed", share*100)
				}
				if used := h.used(70, 90) / h.up.rate; p.router && used < .85 {
					t.Errorf("%.1f %% of the way up are used", used*100)
				}
				if used := h.used(110, 130) / h.up.rate; used < .85 {
					t.Errorf("%.1f %% of the way up are used afterwards", used*100)
				}
				if both && h.decisions[4*80].own.Down > h.down.rate/20 {
					t.Errorf("the background downloads at %.0f B/s meanwhile", h.decisions[4*80].own.Down)
				}
			})
		})
	}
}

// A link that is never silent: a call of 2 of 10 Mbit/s must leave more than half of the rest.
func TestACallLeavesRoom(t *testing.T) {
	inEach(t, func(h *house) {
		h.flows = []*flow{{up: true, cap: 2 * megabit, from: 60, to: 140}}
	}, 160, func(t *testing.T, p place, h, solo *house) {
		if used := h.used(75, 140); used < 5*megabit || used > 8*megabit {
			t.Errorf("%.1f Mbit/s are used beside the call", used/megabit)
		}
		if ping := h.ping95(75, 140); ping > 10 {
			t.Errorf("the call's ping rises by %.1f ms", ping)
		}
		for _, d := range h.decisions {
			if p.router && d.at > 70 && d.at < 140 && d.own.Up < 2*megabit {
				t.Errorf("at %.2f s the background uses %.1f Mbit/s only", d.at, d.own.Up/megabit)
			}
		}
	})
}

// Flows that end before anybody could give way, again and again.
func TestBurstsOfTheHouseholdAreGivenWayTo(t *testing.T) {
	inEach(t, func(h *house) {
		h.flows = []*flow{{up: true, elastic: true, amount: 200e3, every: 4, from: 60, to: 120}}
	}, 160, func(t *testing.T, p place, h, solo *house) {
		if used := h.used(60, 120) / h.up.rate; used > .4 {
			t.Errorf("%.1f %% of the line are used beside bursts", used*100)
		}
		if added := h.ping95(60, 120) - solo.ping95(60, 120); added > 35 {
			t.Errorf("the ping rises by another %.1f ms", added)
		}
		// It may come back between them, but not leap.
		for i, d := range h.decisions[1:] {
			if rise := d.own.Up - h.decisions[i].own.Up; d.at > 60 && d.at < 120 && rise > h.up.rate/12 {
				t.Errorf("at %.2f s it rises by %.2f Mbit/s at once", d.at, rise/megabit)
			}
		}
		if used := h.used(140, 160) / h.up.rate; used < .85 {
			t.Errorf("%.1f %% of the line are used afterwards", used*100)
		}
	})
}

func TestTheForegroundIsNotTakenForOthers(t *testing.T) {
	inEach(t, func(h *house) {
		h.foreIs = &flow{up: true, elastic: true, from: 60, to: 90}
		h.flows = []*flow{h.foreIs}
	}, 100, func(t *testing.T, p place, h, solo *house) {
		if share := h.flows[0].got / solo.flows[0].got; share < figures[p.router].share {
			t.Errorf("the foreground has %.1f %% of its solo speed", share*100)
		}
		if said := h.reasons(70, 89); !slices.Equal(said, []string{"yielding: your own downloads need the line"}) {
			t.Errorf("it says %q", said)
		}
	})
}

func TestALineThatHalvesAndRecovers(t *testing.T) {
	inEach(t, func(h *house) {}, 0, func(t *testing.T, p place, h, _ *house) {
		h.run(60)
		h.up.rate /= 2
		h.run(60)
		half := h.up.rate
		h.up.rate *= 2
		h.run(180)
		if ping := h.ping95(75, 120); ping > 15 {
			t.Errorf("at half its rate the ping rises by %.1f ms", ping)
		}
		if ping := h.ping95(61, 70); ping > 120 {
			t.Errorf("as it halves the ping rises by %.1f ms", ping)
		}
		if used := h.used(75, 120) / half; used < .8 || used > 1 {
			t.Errorf("%.1f %% of half the line are used", used*100)
		}
		if used := h.used(270, 300) / h.up.rate; used < .8 {
			t.Errorf("%.1f %% of the line are used when it is whole again", used*100)
		}
	})
}

func TestWhatIsToldOfTheLineIsTenTimesTooMuch(t *testing.T) {
	inEach(t, func(h *house) { h.line = Rates{100 * megabit, 500 * megabit} }, 300, func(t *testing.T, _ place, h, _ *house) {
		for _, from := range []float64{60, 200} {
			if ping := h.ping95(from, from+100); ping > 10 {
				t.Errorf("the ping rises by %.1f ms", ping)
			}
			if used := h.used(from, from+100) / h.up.rate; used < .8 {
				t.Errorf("%.1f %% of the line are used", used*100)
			}
		}
	})
}

func TestWhatIsToldOfTheLineIsTenTimesTooLittle(t *testing.T) {
	inEach(t, func(h *house) {
		h.line = Rates{megabit, 5 * megabit}
		h.flows = []*flow{{up: true, elastic: true, from: 40, to: 60}}
	}, 120, func(t *testing.T, p place, h, _ *house) {
		if most := h.used(30, 40); most > megabit {
			t.Errorf("%.2f Mbit/s are used of 1", most/megabit)
		}
		used := h.used(100, 120)
		if p.router && (used < 8*megabit || used > 10*megabit) { // the household has shown what the line carries
			t.Errorf("%.2f Mbit/s are used at last", used/megabit)
		}
		if !p.router && used > megabit {
			t.Errorf("%.2f Mbit/s are used at last, of 1", used/megabit)
		}
		if ping := h.ping95(100, 120); ping > 10 {
			t.Errorf("the ping rises by %.1f ms", ping)
		}
	})
}

func TestALineOfWhichNothingIsKnown(t *testing.T) {
	for _, rate := range []float64{1.5 * megabit, 10 * megabit, 100 * megabit} {
		t.Run(fmt.Sprintf("%.1f Mbit/s", rate/megabit), func(t *testing.T) {
			inEach(t, func(h *house) {
				h.up.rate, h.up.buffer, h.line = rate, rate/2, Rates{}
			}, 400, func(t *testing.T, _ place, h, _ *house) {
				if early := h.used(0, 2); early > 1.1*megabit {
					t.Errorf("it begins at %.1f Mbit/s", early/megabit)
				}
				for _, from := range []float64{60, 250} {
					if used := h.used(from, from+150) / rate; used < .75 {
						t.Errorf("after %.0f s %.1f %% of the line are used", from, used*100)
					}
					if ping := h.ping95(from, from+150); ping > 15 {
						t.Errorf("the ping rises by %.1f ms", ping)
					}
				}
			})
		})
	}
}

// What a line carried until now may be a part of what it can.
func TestALineThatCarriesMoreThanWasLearned(t *testing.T) {
	for _, rate := range []float64{6 * megabit, 10 * megabit, 100 * megabit} {
		t.Run(fmt.Sprintf("%.0f Mbit/s", rate/megabit), func(t *testing.T) {
			inEach(t, func(h *house) {
				h.up.rate, h.up.buffer, h.line, h.learned = rate, rate/2, Rates{}, Rates{5 * megabit, 20 * megabit}
			}, 240, func(t *testing.T, _ place, h, _ *house) {
				if used := h.used(120, 240) / rate; used < .85 {
					t.Errorf("after two minutes %.1f %% of the line are used", used*100)
				}
				if ping := h.ping95(0, 240); ping > 12 {
					t.Errorf("the ping rises by %.1f ms", ping)
				}
			})
		})
	}
}

// Some interfaces count what passed once a second only.
func TestCountersThatMoveInLumps(t *testing.T) {
	inEach(t, func(h *house) { h.lumps = 4 }, 60, func(t *testing.T, _ place, h, _ *house) {
		if used := h.used(30, 60) / h.up.rate; used < .85 {
			t.Errorf("%.1f %% of the line are used", used*100)
		}
	})
}

// A delay that was there from the beginning and does not move is no queue. One that appears later is taken for one
// first.
func TestADelayThatIsNoQueue(t *testing.T) {
	for _, late := range []bool{false, true} {
		for _, bias := range []float64{.012, .020, .040} {
			t.Run(fmt.Sprintf("%.0f ms, later %v", bias*1000, late), func(t *testing.T) {
				inEach(t, func(h *house) { h.jitter = .002 }, 0, func(t *testing.T, _ place, h, _ *house) {
					if late {
						h.run(60)
					}
					h.bias = bias
					h.run(240)
					if used := h.used(h.now-30, h.now) / h.up.rate; used < .8 {
						t.Errorf("%.1f %% of the line are used", used*100)
					}
				})
			})
		}
	}
}

// While the interface to the internet is away, the queue must do.
func TestTheInterfaceVanishes(t *testing.T) {
	h := newHouse(10*megabit, 50*megabit)
	h.flows = []*flow{{up: true, elastic: true, from: 60, to: 90}}
	h.run(40)
	h.blind = true
	h.run(40)
	blind := h.decided
	h.blind = false
	h.run(45)
	if used := h.used(41, 60) / h.up.rate; used < .85 {
		t.Errorf("%.1f %% of the line are used while it is away", used*100)
	}
	if used := h.used(62, 79) / h.up.rate; used > .05 {
		t.Errorf("%.1f %% of the line are used although the queue is full", used*100)
	}
	if !strings.Contains(blind.Position, "is not there") || strings.Contains(h.decided.Position, "is not there") {
		t.Errorf("positions: %q, %q", blind.Position, h.decided.Position)
	}
	if used := h.used(110, 125) / h.up.rate; used < .85 {
		t.Errorf("%.1f %% of the line are used when it is back", used*100)
	}
}

func TestOtherLines(t *testing.T) {
	for _, rate := range []float64{megabit, 40 * megabit, 100 * megabit, 1000 * megabit} {
		t.Run(fmt.Sprintf("%.0f Mbit/s", rate/megabit), func(t *testing.T) {
			inEach(t, func(h *house) {
				h.up.rate, h.up.buffer, h.line.Up = rate, rate/2, rate
				h.flows = []*flow{{up: true, elastic: true, from: 60, to: 120}}
			}, 160, func(t *testing.T, p place, h, solo *house) {
				if used := h.used(40, 60) / rate; used < .85 {
					t.Errorf("%.1f %% of the line are used", used*100)
				}
				if ping := h.ping95(40, 60); ping > 10 {
					t.Errorf("the ping rises by %.1f ms", ping)
				}
				if gone := h.when(60, true, rate/20); gone > 2 {
					t.Errorf("it takes %.2f s to give way", gone)
				}
				share := h.flows[0].got / solo.flows[0].got
				if share < .95 {
					t.Errorf("an upload has %.1f %% of its solo speed", share*100)
				}
				if back := h.when(120.5, false, .8*h.used(40, 60)); math.IsInf(back, 0) || back > 15 {
					t.Errorf("it takes %.2f s to come back", back)
				}
			})
		})
	}
}
