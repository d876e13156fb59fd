package govern

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// rig drives a controller by hand, on a line of 10/50 Mbit/s.
type rig struct {
	Controller
	s      Sample
	now    Decision
	stands float64 // ms in the line's queue
	silent bool    // nothing is measured
	least  float64 // ms that are measured without one
}

func newRig(router bool) *rig {
	g := &rig{s: Sample{
		DT: Tick, Allotted: Allotment{Auto, Auto, Uncapped},
		Wire:   Wire{Overhead: Rates{GuessedOverhead, GuessedOverhead}},
		Around: Surroundings{Line: Rates{10 * megabit, 50 * megabit}, Seen: router},
	}}
	if router {
		g.s.Around.Facts = Facts{Forwarding: true, LANs: 1, Forwarded: 1e5, Received: 1e6}
	}
	g.least = 1
	return g
}

// queue is how long the line's queue is from now on, in ms, as four connections see it; negative: nothing is measured.
func (g *rig) queue(ms float64) *rig {
	g.s.Wire.Ways = nil
	for id := range uint64(4) {
		way := Way{ID: id, Bytes: 1e5, Acks: 15, Least: 20 * time.Millisecond, Measured: ms >= 0}
		way.Trip = way.Least + time.Duration(ms*float64(time.Millisecond))
		g.s.Wire.Ways = append(g.s.Wire.Ways, way)
	}
	return g
}

// ticks lets the background use all that it may while others use the line, which carries 10/50 Mbit/s: what is more
// stands in its queue.
func (g *rig) ticks(n int, others Rates) *rig {
	for range n {
		sent := Rates{float64(g.now.Up) * GuessedOverhead, float64(g.now.Down) * GuessedOverhead}
		more := max((sent.Up+others.Up)/(10*megabit), (sent.Down+others.Down)/(50*megabit)) - 1
		g.stands = min(max(g.stands+more*Tick.Seconds()*1000, 0), 500)
		passes := min(1, 1/(1+more))
		g.queue(g.least + g.stands)
		if g.silent {
			g.queue(-1)
		}
		g.s.Own, g.s.Wire.Acked = sent, float64(g.now.Up)*passes*Tick.Seconds()
		g.s.Around.WAN = Rates{sent.Up + others.Up, sent.Down + others.Down}
		g.now = g.Controller.Decide(g.s)
	}
	return g
}

func (g *rig) up() float64 { return float64(g.now.Up) * GuessedOverhead / megabit }

func (g *rig) expect(t *testing.T, what string, least, most float64, state State, reason string) {
	t.Helper()
	if g.up() < least || g.up() > most || g.now.State != state || !strings.HasPrefix(g.now.Reason, reason) {
		t.Errorf("%s: up %.2f Mbit/s, %s, %q; want %v to %v, %s, %q", what, g.up(), g.now.State, g.now.Reason, least, most, state, reason)
	}
}

const (
	minute  = 240 // ticks
	megabit = 1e6 / 8
)

func TestReasons(t *testing.T) {
	const whole, most = 8.9, 9.8 // more is tried at times
	g := newRig(true).ticks(minute, Rates{})
	g.expect(t, "alone", whole, most, Sharing, "sharing: the line is free")

	g.ticks(1, Rates{Up: 8.1 * megabit})
	g.expect(t, "an upload", 0, .04, Yielding, "yielding: someone in the house is uploading at 8.1 Mbit/s")
	g.ticks(60, Rates{Up: 8.1 * megabit})
	g.expect(t, "an upload that leaves little", 0, .1, Yielding, "yielding: someone in the house is uploading at 8.1 Mbit/s")
	g.ticks(2*minute, Rates{})
	g.expect(t, "afterwards", whole, most, Sharing, "sharing: the line is free")

	g.ticks(minute, Rates{Up: 2 * megabit})
	g.expect(t, "a call", 7, 7.2, Sharing, "sharing: someone in the house is uploading at 2.0 Mbit/s, which leaves room")
	g.ticks(minute, Rates{})

	g.ticks(20, Rates{Down: 40 * megabit})
	g.expect(t, "a download", whole, most, Yielding, "yielding: someone in the house is downloading at 40.0 Mbit/s")
	if down := float64(g.now.Down) / megabit; down > 5 {
		t.Errorf("a download: down %.2f Mbit/s", down)
	}
	g.ticks(minute, Rates{})

	g.s.Around.Foreground = Rates{Up: 9 * megabit / GuessedOverhead}
	g.ticks(4, Rates{Up: 9 * megabit})
	g.expect(t, "the foreground", 0, .04, Yielding, "yielding: your own downloads need the line")
	g.s.Around.Foreground = Rates{}
	g.ticks(20, Rates{})
	g.expect(t, "coming back", 0, 7, Sharing, "sharing: the line is free again, and the background is coming back")
	g.ticks(minute, Rates{})

	g.s.Around.Pressure = "memory"
	g.ticks(1, Rates{})
	g.expect(t, "pressure", 0, .04, Yielding, "yielding: the machine is short of memory")
	g.s.Around.Pressure = ""
	g.s.Used = "the month's 500 GiB are used up until 1 December"
	g.ticks(1, Rates{})
	g.expect(t, "used up", 0, 0, Paused, "paused: the month's 500 GiB are used up until 1 December")
	g.s.Used = ""
	g.s.Allotted = Allotment{}
	g.ticks(1, Rates{})
	g.expect(t, "nothing is lent", 0, 0, Paused, "paused: you lend no bandwidth")
	g.s.Allotted = Allotment{Auto, Auto, Uncapped}
	g.ticks(minute, Rates{})

	g.s.Around.Seen = false
	g.least = 120
	g.ticks(2, Rates{})
	g.expect(t, "a queue behind the router", 0, .21, Yielding, "yielding: the line's queue is 1")
	if !strings.Contains(g.now.Position, "is not there") {
		t.Errorf("position: %q", g.now.Position)
	}
	g.least = 1
	g.ticks(5, Rates{})
	g.expect(t, "a second later", 0, 7, Sharing, "sharing: the line is free again")
	g.ticks(minute, Rates{})
	g.expect(t, "a minute later", whole, most, Sharing, "sharing: the line is free")
}

func TestPositions(t *testing.T) {
	for name, c := range map[string]struct {
		facts  Facts
		router bool
	}{
		"router":                            {Facts{true, 1, 1e6, 1e7}, true},
		"router that was just started":      {Facts{true, 1, 10, 1000}, false},
		"hardware forwards":                 {Facts{true, 2, 2e4, 1e7}, true},
		"NAS with containers":               {Facts{true, 0, 1e6, 1e7}, false},
		"NAS in two networks, containers":   {Facts{true, 1, 2000, 1e8}, false},
		"NAS in two networks":               {Facts{false, 1, 0, 1e8}, false},
		"what the facts are nobody can say": {Facts{}, false},
	} {
		var w whereabouts
		if got := w.onRouter(Surroundings{Seen: true, Facts: c.facts}); got != c.router || strings.HasPrefix(w.String(), "on the router") != c.router {
			t.Errorf("%s: %v, %q", name, got, w.String())
		}
		if w.onRouter(Surroundings{Facts: c.facts}) {
			t.Errorf("%s: on the router although the interface is away", name)
		}
	}
}

func TestANumberOfTheOwnersIsABoundOnTheWire(t *testing.T) {
	for _, router := range []bool{true, false} {
		g := newRig(router)
		g.s.Allotted.Up = int64(5 * megabit)
		g.ticks(2*minute, Rates{})
		g.expect(t, "5 of 10", 4.9, 5, Sharing, "sharing: the line is free")
		g.s.Allotted.Up = int64(100 * megabit)
		g.ticks(2*minute, Rates{})
		g.expect(t, "100 of 10", 8, 9.9, Sharing, "sharing: the line is free")
		g.s.Allotted.Up = 1000
		g.ticks(1, Rates{})
		g.expect(t, "1000 B/s at once", .007, .008, Sharing, "sharing: the line is free")
	}
}

// Whatever the senses say, the limits are within the allotment; and when all is quiet again, it comes back.
func TestArbitrarySamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		odd := rapid.SampledFrom([]float64{0, -1, math.NaN(), math.Inf(1), math.Inf(-1), 1, 1e-300, 1e300, 125e3, 1.25e6, 6.25e6, 1.25e9})
		rate := rapid.OneOf(odd, rapid.Float64Range(0, 2e6))
		rates := rapid.Custom(func(t *rapid.T) Rates { return Rates{rate.Draw(t, "up"), rate.Draw(t, "down")} })
		duration := rapid.OneOf(rapid.SampledFrom([]time.Duration{0, -1, Tick, math.MinInt64, math.MaxInt64, time.Hour}), rapid.Map(rapid.IntRange(0, 400), func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }))
		ways := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Way {
			return Way{ID: rapid.Uint64Range(0, 5).Draw(t, "ID"), Bytes: rate.Draw(t, "bytes"), Acks: rate.Draw(t, "acks"), Trip: duration.Draw(t, "trip"), Least: duration.Draw(t, "least"), Measured: rapid.Bool().Draw(t, "measured")}
		}), 0, 4)
		allotted := rapid.SampledFrom([]int64{Auto, 0, 1, 5000, 600_000, math.MaxInt64})
		var c Controller
		s := Sample{}
		for range rapid.IntRange(0, 60).Draw(t, "phases") {
			s = Sample{
				DT: duration.Draw(t, "dt"), Own: rates.Draw(t, "own"),
				Wire:     Wire{Overhead: rates.Draw(t, "overhead"), Acked: rate.Draw(t, "acked"), Ways: ways.Draw(t, "ways")},
				Allotted: Allotment{allotted.Draw(t, "up"), allotted.Draw(t, "down"), Uncapped},
				Around: Surroundings{
					WAN: rates.Draw(t, "WAN"), Seen: rapid.Bool().Draw(t, "seen"), Foreground: rates.Draw(t, "foreground"),
					Line: rates.Draw(t, "line"), Learned: rates.Draw(t, "learned"),
					Probe: duration.Draw(t, "probe"), ProbeAge: duration.Draw(t, "age"), Probed: rapid.Bool().Draw(t, "probed"),
					Facts:    Facts{rapid.Bool().Draw(t, "forwards"), rapid.IntRange(0, 2).Draw(t, "LANs"), 1e5, 1e6},
					Pressure: rapid.SampledFrom([]string{"", "", "memory"}).Draw(t, "pressure"),
				},
			}
			for range rapid.IntRange(1, 40).Draw(t, "ticks") {
				d := c.Decide(s)
				check := func(limit, allotted int64, learned float64) {
					if limit < 0 || allotted >= 0 && limit > allotted || float64(limit) > mostRate {
						t.Fatalf("a limit of %d of %d", limit, allotted)
					}
					if !(learned >= 0 && learned <= mostRate) {
						t.Fatalf("a line of %v", learned)
					}
				}
				check(d.Up, s.Allotted.Up, d.Line.Up)
				check(d.Down, s.Allotted.Down, d.Line.Down)
				if d.Reason == "" || !strings.HasPrefix(d.Reason, string(d.State)+": ") || strings.ContainsAny(d.Reason, "\n%") {
					t.Fatalf("%s: %q", d.State, d.Reason)
				}
			}
		}
		g := newRig(s.Around.Seen)
		g.Controller, g.s.Around.Facts = c, s.Around.Facts
		g.ticks(15*minute, Rates{})
		if g.up() < .8*autoShare*10 {
			t.Fatalf("when all is quiet, up %.2f Mbit/s: %s", g.up(), g.now.Reason)
		}
	})
}

// BenchmarkDecide is what deciding costs, four times a second.
func BenchmarkDecide(b *testing.B) {
	g := newRig(true)
	b.ReportAllocs()
	for b.Loop() {
		g.ticks(1, Rates{Up: rand.Float64() * megabit})
	}
}
