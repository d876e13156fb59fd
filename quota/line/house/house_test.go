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
