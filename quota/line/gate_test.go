package line

import (
	"testing"
	"testing/synctest"
	"time"

	"ebb/quota/line/govern"
)

// What goes out at once waits in the line's queue, and so does everybody else's behind it.
func TestWhatGoesOutAtOnceIsSmall(t *testing.T) {
	const onTheLine = 0.93
	for _, mbit := range []float64{1, 2, 5, 10, 50, 200} {
		limit := int64(onTheLine * mbit * megabit)
		took := func(bytes int) time.Duration {
			return time.Duration(float64(bytes) / (mbit * megabit) * float64(time.Second))
		}
		most := 4 * time.Millisecond
		if mbit < 6 { // two full segments
			most = took(govern.SmallestGrant)
		}
		if grant := took(grantSize(limit)); grant > most {
			t.Errorf("%v Mbit/s: a grant takes %v", mbit, grant)
		}
		if whole := took(burst(limit)); whole > 25*time.Millisecond {
			t.Errorf("%v Mbit/s: the bucket takes %v", mbit, whole)
		}
	}
	for limit := int64(1); limit < 1<<40; limit += 1 + limit/7 {
		if b := int64(burst(limit)); b > max(limit/10, 1) || int64(grantSize(limit)) > b {
			t.Errorf("%d B/s: a bucket of %d, a grant of %d: more than 1 %% of ten seconds", limit, b, grantSize(limit))
		}
	}
	if grantSize(40<<20) != largestGrant {
		t.Errorf("at 40 MiB/s a grant is %d", grantSize(40<<20))
	}
}

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
