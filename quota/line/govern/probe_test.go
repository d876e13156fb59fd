package govern

import (
	"net/netip"
	"testing"
	"time"
)

// seen is what TCP and a probe say at a tick. Ages and delays in ms; negative: nothing is known.
type seen struct{ tcp, probe, age float64 }

const unknown = -1

var beyond = netip.MustParseAddr("203.0.113.1")

func (s seen) sample() Sample {
	of := func(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
	return Sample{
		DT:     Tick,
		Wire:   Wire{Delay: of(max(s.tcp, 0)), Known: s.tcp >= 0},
		Around: Surroundings{Interface: "wan", Probe: of(s.probe), ProbeAge: of(s.age), ProbeHop: beyond, Probed: s.probe >= 0},
	}
}

// after lets a probe sense see some ticks, and returns what it makes of the last one, in ms.
func (p *probeSense) after(ticks ...seen) float64 {
	var delay time.Duration
	var known bool
	for _, s := range ticks {
		delay, known = p.delay(s.sample(), false)
	}
	if !known {
		return unknown
	}
	return milliseconds(delay)
}

// both is a queue that TCP sees, and a probe that was sent after it began.
var both = []seen{{40, unknown, 0}, {40, unknown, 0}, {40, 30, 100}}

func trusting() *probeSense {
	p := &probeSense{}
	p.after(append(both, seen{1, 1, 100})...)
	return p
}

func TestAProbeIsTrustedOnceItHasSeenTheQueue(t *testing.T) {
	for name, c := range map[string]struct {
		ticks   []seen
		trusted bool
	}{
		"both see it":                      {both, true},
		"just so much":                     {[]seen{{12, unknown, 0}, {12, 12, 200}}, true},
		"nobody does":                      {[]seen{{1, 1, 100}, {1, 1, 100}, {1, 1, 100}}, false},
		"TCP alone":                        {[]seen{{40, 0, 100}, {40, 0, 100}, {40, 11, 100}}, false},
		"the probe alone":                  {[]seen{{11, 40, 100}, {11, 40, 100}, {unknown, 40, 100}}, false},
		"one after the other":              {[]seen{{40, 0, 100}, {40, 0, 100}, {1, 40, 100}}, false},
		"the probe before":                 {[]seen{{1, 40, 100}, {40, 40, 350}, {40, 40, 600}}, false},
		"the probe was answered long ago":  {append(make([]seen, 1), seen{40, unknown, 0}, seen{40, 40, 3000}), false},
		"a probe from the future, or none": {[]seen{{40, 40, -1}, {40, 40, -1}, {40, unknown, 0}}, false},
	} {
		var p probeSense
		if p.after(c.ticks...); p.trusted != c.trusted {
			t.Errorf("%s: trusted is %v", name, p.trusted)
		}
	}
}

func TestTrustInAProbeEndsWithWhatItWasFor(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(s *Sample, router *bool)
		trusted bool
	}{
		"nothing":                 {func(*Sample, *bool) {}, true},
		"no answer":               {func(s *Sample, _ *bool) { s.Around.Probed = false }, true},
		"another interface":       {func(s *Sample, _ *bool) { s.Around.Interface = "wwan" }, false},
		"no interface":            {func(s *Sample, _ *bool) { s.Around.Interface = "" }, false},
		"another position":        {func(_ *Sample, router *bool) { *router = true }, false},
		"another hop is answered": {func(s *Sample, _ *bool) { s.Around.ProbeHop = beyond.Next() }, false},
	} {
		p, s, router := trusting(), seen{1, 1, 100}.sample(), false
		c.change(&s, &router)
		p.delay(s, router)
		if p.trusted != c.trusted {
			t.Errorf("%s: trusted is %v", name, p.trusted)
		}
	}
}

func TestWhatAProbeSaysBesideTCP(t *testing.T) {
	began := []seen{{1, 1, 100}, {40, 1, 350}} // the question was sent before
	for name, c := range map[string]struct {
		ticks            []seen
		trusted, without float64 // what counts, with trust and without
	}{
		"TCP sees a queue that began after the question":   {began, 40, 40},
		"and the probe none later":                         {append(began, seen{40, 1, 600}, seen{40, 1, 850}), 40, 40},
		"a question that was sent at that tick":            {append(began, seen{40, 1, 250}), 40, 40},
		"a question that was sent after it":                {append(began, seen{40, 1, 200}), 1, 40},
		"which also shows it, so it is trusted now":        {append(began, seen{40, 30, 200}), 30, 30},
		"and more of it":                                   {append(began, seen{40, 55, 200}), 40, 40},
		"after which TCP's delay grows by less than half":  {append(began, seen{40, 1, 200}, seen{58, 1, 450}), 1, 58},
		"or by far more, of which the probe does not know": {append(began, seen{40, 1, 200}, seen{119, 1, 450}), 60.5, 119},
		"until it is asked again":                          {append(began, seen{40, 1, 200}, seen{119, 1, 450}, seen{119, 1, 100}), 1, 119},
		"TCP's delay was gone meanwhile":                   {append(began, seen{7, 1, 200}, seen{40, 1, 450}), 40, 40},
		"or not known":                                     {append(began, seen{unknown, 1, 200}, seen{40, 1, 450}), 40, 40},
		"the probe alone sees a queue":                     {[]seen{{1, 30, 100}, {1, 30, 100}}, 1, 1},
		"our connections tell nothing":                     {[]seen{{unknown, 30, 100}}, 30, unknown},
		"nothing tells anything":                           {[]seen{{unknown, unknown, 0}}, unknown, unknown},
		"neither do they, and the answer is old":           {[]seen{{unknown, 30, 2501}}, unknown, unknown},
		"the answer is old, but younger than TCP's delay":  {append(began, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, unknown, 0}, seen{40, 1, 2600}), 40, 40},
	} {
		if got := trusting().after(c.ticks...); got != c.trusted {
			t.Errorf("%s: of a trusted probe %v ms count, want %v", name, got, c.trusted)
		}
		if got := (&probeSense{}).after(c.ticks...); got != c.without {
			t.Errorf("%s: %v ms count, want %v", name, got, c.without)
		}
	}
}

// A hop in front of the queue, as behind a second router with NAT, never shows a delay.
func TestAProbeThatSeesNoQueueHidesNone(t *testing.T) {
	g := newRig(false).ticks(minute, Rates{})
	g.s.Around.Probed, g.s.Around.ProbeHop, g.s.Around.ProbeAge = true, beyond, 100*time.Millisecond
	g.s.Wire.Delay = 100 * time.Millisecond
	g.ticks(minute, Rates{})
	g.expect(t, "a queue that the probe does not see", 0, .21, Yielding, "yielding: the line's queue is ")
}

// Whatever a probe says, the first tick at which TCP shows a queue counts.
func TestGivingWayIsNoSlowerWithAProbe(t *testing.T) {
	g := newRig(false)
	g.s.Around.Probed, g.s.Around.ProbeHop = true, beyond
	g.s.Around.Probe, g.s.Around.ProbeAge, g.s.Wire.Delay = 50*time.Millisecond, 100*time.Millisecond, 50*time.Millisecond
	g.ticks(8, Rates{})
	g.s.Around.Probe, g.s.Wire.Delay = 0, 0
	g.ticks(minute, Rates{})
	if !g.probe.trusted {
		t.Fatal("the probe is not trusted")
	}
	g.expect(t, "alone", 9.2, 9.31, Sharing, "sharing: the line is free")
	g.s.Around.ProbeAge, g.s.Wire.Delay = 240*time.Millisecond, 100*time.Millisecond
	g.ticks(1, Rates{})
	g.expect(t, "a queue", 0, .21, Yielding, "yielding: the line's queue is 100 ms long")
}
