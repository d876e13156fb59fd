package house

import (
	"testing"
	"time"
)

// with returns a cell with something changed.
func with(c Cell, change func(*Cell)) Cell {
	change(&c)
	return c
}

// Lines that are told right, with nobody else at home, must be used, and the household must not feel it: the time of two
// full segments (three behind the router) and 5 ms, or 10 ms (15) on faster ones.
func TestASilentLineIsUsed(t *testing.T) {
	const ms = time.Millisecond
	bucket := func(burst float64) func(*Cell) {
		return func(c *Cell) { c.Medium, c.Burst = Bucket, burst }
	}
	for _, c := range []Cell{
		Plain(10, 50, 20*ms, 4, true), Plain(10, 50, 20*ms, 4, false), Plain(10, 50, 20*ms, 12, false),
		Plain(10, 50, 80*ms, 4, false), Plain(2, 16, 50*ms, 4, true), Plain(2, 16, 50*ms, 4, false),
		with(Plain(10, 50, 20*ms, 4, false), bucket(2*full)), with(Plain(10, 50, 20*ms, 4, false), bucket(16000)),
		Plain(40, 100, 30*ms, 4, false), Plain(100, 100, 10*ms, 4, false), Plain(1, 8, 20*ms, 4, false),
		with(Plain(10, 50, 20*ms, 4, false), func(c *Cell) { c.Odd = false }),
		with(Plain(10, 50, 20*ms, 4, false), func(c *Cell) { c.Jitter = 3 * ms }),
		with(Plain(10, 50, 20*ms, 4, false), func(c *Cell) { c.Stalls = 5 * time.Second }),
		with(Plain(10, 50, 20*ms, 4, false), func(c *Cell) { c.Control = BBR }),
	} {
		if o := quiet(c); o.worst > 1 {
			t.Errorf("%s: %s", o.cell, o.text)
		}
	}
}

// Somebody uploads or downloads for half a minute: they have the line nearly for themselves, and it is used again soon
// afterwards. Behind the router, BBR's own queue is too short to be told from none at times: what is worst there is
// watched by the random cells.
func TestAHouseholdIsNotFelt(t *testing.T) {
	const ms = time.Millisecond
	for _, router := range []bool{true, false} {
		for _, c := range []Cell{
			Plain(10, 50, 20*ms, 4, router), Plain(2, 16, 50*ms, 4, router), Plain(40, 100, 30*ms, 12, router), Plain(10, 50, 80*ms, 4, router),
		} {
			for _, f := range []Flow{{Control: Cubic}, {Control: BBR}, {Down: true, Control: Cubic}, {Down: true, Control: BBR}} {
				if !router && f.Control == BBR && !f.Down {
					continue
				}
				c.Flows = []Flow{f}
				if o := loud(c); o.worst > 1 {
					t.Errorf("%s, down: %v, %v: %s", o.cell, f.Down, f.Control, o.text)
				}
			}
		}
	}
}

// A line that halves is used at what it carries then.
func TestALineThatHalves(t *testing.T) {
	for _, router := range []bool{true, false} {
		c := with(Plain(10, 50, 20*time.Millisecond, 4, router), func(c *Cell) { c.Change, c.At = .5, time.Minute })
		h := New(c).Run(150)
		if used, ping := h.Used(75, 150)/(c.Up/2), h.Ping(.95, 75, 150); used < .85 || ping > 25 {
			t.Errorf("router %v: %.1f %% used, ping %.1f ms", router, used*100, ping)
		}
	}
}
