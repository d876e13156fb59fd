package govern

import (
	"testing"
	"time"
)

// drawn is what passes in a time of somebody who wants all that there is and wakes up late each time, and the most that
// passed at once: within a millisecond.
func drawn(p *Pacer, from, over, late time.Duration) (all int64, atOnce int) {
	var last time.Duration
	burst := 0
	for now := from; now < from+over; {
		n, wait, ever := p.Draw(now, 1<<20)
		if !ever {
			return all, atOnce
		}
		if n == 0 {
			now += wait + late
			continue
		}
		if now-last >= time.Millisecond {
			burst = 0
		}
		all, burst, last = all+int64(n), burst+n, now
		atOnce = max(atOnce, burst)
	}
	return all, atOnce
}

// What goes out at once waits in the line's queue, and so does everybody else's behind it.
func TestWhatGoesOutAtOnceIsTwoFullSegments(t *testing.T) {
	for _, mbit := range []float64{0.064, 1, 2, 5, 10, 50, 200, 1000} {
		rate := mbit * megabit
		most := max(SmallestGrant, int(rate*(grantTime+time.Millisecond).Seconds())+1)
		var p Pacer
		p.Set(0, rate)
		all, atOnce := drawn(&p, 0, 20*time.Second, 0)
		if float64(all) < .99*20*rate || float64(all) > 20*rate+float64(most) {
			t.Errorf("%v Mbit/s: %d bytes in 20 s", mbit, all)
		}
		if atOnce > most {
			t.Errorf("%v Mbit/s: %d bytes at once, want %d", mbit, atOnce, most)
		}
		if _, atOnce := drawn(&p, 100*time.Second, time.Second, 0); atOnce > most { // after a pause
			t.Errorf("%v Mbit/s: after a pause %d bytes at once, want %d", mbit, atOnce, most)
		}
	}
}

func TestWhoWakesUpLateLosesNothing(t *testing.T) {
	for _, late := range []time.Duration{100 * time.Microsecond, time.Millisecond, 9 * time.Millisecond} {
		var p Pacer
		p.Set(0, 10*megabit)
		if all, _ := drawn(&p, 0, 10*time.Second, late); float64(all) < .99*100*megabit {
			t.Errorf("%v late: %.1f of 100 Mbit", late, float64(all)/megabit)
		}
	}
	// Though what a machine missed that stood still is not made up for.
	var p Pacer
	p.Set(0, 10*megabit)
	if all, _ := drawn(&p, 0, 10*time.Second, 50*time.Millisecond); float64(all) > 40*megabit {
		t.Errorf("50 ms late: %.1f of 100 Mbit", float64(all)/megabit)
	}
}

func TestAPacerFollowsItsRate(t *testing.T) {
	var p Pacer
	if _, _, ever := p.Draw(0, 1); ever {
		t.Error("without a rate something may pass")
	}
	p.Set(0, 1000)
	n, _, _ := p.Draw(0, 5000)
	if n != 1000 {
		t.Errorf("at 1000 B/s %d bytes are granted", n)
	}
	if n, wait, _ := p.Draw(0, 1); n != 0 || wait != time.Second {
		t.Errorf("then %d bytes, or a wait of %v", n, wait)
	}
	p.Set(0, 10_000) // what is owed is paid for sooner
	if n, wait, _ := p.Draw(0, 1); n != 0 || wait != 100*time.Millisecond {
		t.Errorf("at ten times the rate %d bytes, or a wait of %v", n, wait)
	}
	p.Count(0, 1<<30)
	if _, wait, _ := p.Draw(0, 1); wait > countedMost {
		t.Errorf("after a flood nothing passes for %v", wait)
	}
}
