package line

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestWhatPassesWithoutAskingIsCountedAndMadeUpFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 * kib
		b := NewBandwidth(limit, limit)
		b.Count(30*kib, 7)
		b.Count(0, -1)
		if up, down := b.Totals(); up != 30*kib || down != 7 {
			t.Errorf("passed %d up and %d down", up, down)
		}
		w := &wire{}
		c := b.Wrap(w)
		defer c.Close()
		began := time.Now()
		if _, err := c.Write(make([]byte, 100*kib)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < 1200*time.Millisecond || took > 1400*time.Millisecond {
			t.Errorf("130 KiB at 100 KiB/s took %v", took)
		}

		b.Count(1<<30, 0) // a flood
		began = time.Now()
		if _, err := c.Write(make([]byte, kib)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 1500*time.Millisecond {
			t.Errorf("after a flood nothing passes for %v", took)
		}
	})
}

func TestCountingDoesNotWait(t *testing.T) {
	for _, limit := range []int64{0, Unlimited} {
		b := NewBandwidth(limit, limit)
		b.Count(1<<30, 1<<30)
		if up, down := b.Totals(); up != 1<<30 || down != 1<<30 {
			t.Errorf("limit %d: passed %d up and %d down", limit, up, down)
		}
	}
}
