package line

import (
	"testing"
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
