package govern

import (
	"net/netip"
	"testing"
	"time"
)

var beyond = netip.MustParseAddr("203.0.113.1")

// heard is a connection that carries so much and whose round trip takes so many ms longer than its least one.
func heard(id uint64, carries, ms float64) Way {
	return Way{
		ID: id, Bytes: carries, Acks: 15, Measured: true, Least: 20 * time.Millisecond, Vary: time.Millisecond,
		Trip: 20*time.Millisecond + time.Duration(ms*float64(time.Millisecond)),
	}
}

func TestWhoCountsForTheDelay(t *testing.T) {
	for name, c := range map[string]struct {
		ways []Way
		want float64
	}{
		"nobody":                         {nil, 0},
		"one":                            {[]Way{heard(1, 1e5, 70)}, 70},
		"all the same":                   {[]Way{heard(1, 1e5, 70), heard(2, 1e5, 71), heard(3, 1e5, 72)}, 70},
		"one that shows none":            {[]Way{heard(1, 1e5, 120), heard(2, 1e5, 130), heard(3, 1e5, 125), heard(4, 1e5, 0)}, 120},
		"though it carries far more":     {[]Way{heard(1, 1e4, 120), heard(2, 1e4, 130), heard(3, 1e4, 125), heard(4, 2e4, 0)}, 120},
		"peers that are slow themselves": {[]Way{heard(1, 1e3, 400), heard(2, 1e3, 500), heard(3, 1e3, 300), heard(4, 1e5, 1)}, 1},
		"one of many with a queue":       {[]Way{heard(1, 1e5, 0), heard(2, 1e5, 1), heard(3, 1e5, 2), heard(4, 1e5, 300)}, 1},
	} {
		var w ways
		var got vote
		for range 80 {
			got = w.delay(c.ways)
		}
		if got.delay != c.want || (got.of > 0) != (len(c.ways) > 0) {
			t.Errorf("%s: %v ms of %v, want %v", name, got.delay, got.of, c.want)
		}
	}
}

// A connection that was made while there was a queue takes that for its least round trip.
func TestWaysThatWereSeenWithoutAQueueAreBelieved(t *testing.T) {
	var w ways
	w.delay([]Way{heard(1, 1e5, 1), heard(2, 1e5, 1)})
	w.trust()
	late := []Way{heard(1, 1e5, 90), heard(3, 1e5, 0), heard(4, 1e5, 0), heard(5, 1e5, 0)}
	for range toldLately {
		w.delay(late)
	}
	if got := w.delay(late); got.delay != 90 {
		t.Errorf("%v ms", got.delay)
	}
	for range wayKept + 1 {
		w.delay(nil)
	}
	if len(w.known) > 0 {
		t.Errorf("%d ways are remembered", len(w.known))
	}
}

// asked lets a probe sense see a tick in which the newest question was asked so many ms ago.
func (p *probeSense) tick(tcp, probe float64, age time.Duration) float64 {
	s := Sample{DT: Tick, Around: Surroundings{
		Interface: "wan", ProbeHop: beyond, Probed: age >= 0, ProbeAge: age, Probe: time.Duration(probe * float64(time.Millisecond)),
	}}
	delay, _ := p.delay(s, tcp, 10, tcp >= 0, false)
	return delay
}

// second is one with a question at its beginning, which both answer for; it returns what counts at its end.
func (p *probeSense) second(tcp, probe float64) (delay float64) {
	for i := range 4 {
		delay = p.tick(tcp, probe, time.Duration(i)*Tick+50*time.Millisecond)
	}
	return delay
}

func TestAProbeCountsOnceItHasShownTheQueue(t *testing.T) {
	var p probeSense
	for range 3 {
		p.second(0, 1)
	}
	if got := p.second(80, 1); got != 80 {
		t.Errorf("of a hop that has shown nothing yet %v ms count", got)
	}
	for range 4 {
		p.second(80, 70)
	}
	if !p.trusted {
		t.Fatal("it has shown the queue, and is not trusted")
	}
	if got := p.second(1, 1); got > 1 {
		t.Errorf("without a queue %v ms count", got)
	}
	if got := p.tick(80, 1, time.Second); got != 80 {
		t.Errorf("a delay that began after the question counts as %v ms", got)
	}
	for range 3 {
		p.second(80, 1)
	}
	if got := p.second(80, 1); got > 5 {
		t.Errorf("a peer's own queue counts as %v ms", got)
	}
	p.from.hop = beyond.Next()
	if p.tick(80, 1, 0); p.trusted {
		t.Error("another hop is trusted at once")
	}
}

// A connection that shows no delay, for whom somebody in front of the queue acknowledges, hides nothing from a probe.
func TestAQueueThatOnlyAProbeSees(t *testing.T) {
	p := probeSense{}
	for range 4 {
		p.second(1, 1)
	}
	for range 4 {
		p.second(100, 100)
	}
	var got float64
	for range 3 {
		got = p.second(0, 100)
	}
	if !p.trusted || got < 50 {
		t.Errorf("it is trusted: %v, and of its 100 ms %v count", p.trusted, got)
	}
}

func TestAHopInFrontOfTheQueueIsNotTrusted(t *testing.T) {
	var p probeSense
	for i := range 60 {
		p.second(100, float64(i%3))
	}
	if p.trusted || p.second(100, 1) != 100 {
		t.Error("it hides the queue")
	}
}

func TestWhatIsUsualIsLearned(t *testing.T) {
	var c calm
	for i := range 400 {
		delay := 10 + 4*float64(i%2)
		c.see(delay, .25)
		c.hear(2, .25)
		c.learn(delay, .25, false)
	}
	if above := c.above(14); above > 5 || c.bound(mostRate, 15) < leastFelt {
		t.Errorf("what is usual is %v above the level, the bound %v", above, c.bound(mostRate, 15))
	}
	if slow, fast := c.bound(2*megabit, 15), c.bound(100*megabit, 15); slow < fast+8 {
		t.Errorf("a queue is %.1f ms on 2 Mbit/s, %.1f on 100", slow, fast)
	}
	if few, many := c.bound(mostRate, 1), c.bound(mostRate, 15); few <= many {
		t.Errorf("of one measurement %.1f ms are enough, of many %.1f", few, many)
	}
	// What creeps up for minutes is a queue all the same.
	delay := 12.0
	for c.above(delay) < c.bound(mostRate, 15) && delay < 200 {
		delay += .1
		c.see(delay, .25)
		c.hear(2, .25)
		c.learn(delay, .25, false)
	}
	if delay > 60 {
		t.Errorf("a queue of %.0f ms is usual", delay)
	}
}
