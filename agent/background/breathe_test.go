package background

import (
	"testing"
	"time"

	"ebb/agent/peerwire"
)

func TestAPeerThatAsksForWhatItCannotHaveIsReadSlowly(t *testing.T) {
	for _, test := range []struct {
		rejected  int64
		connected time.Duration
		wait      time.Duration
	}{
		{0, 0, 0},
		{freeRejects, 0, 0}, // what was under way when it was choked
		{freeRejects + 2, 0, time.Second / 10},
		{freeRejects + 2, time.Second, 0},
		{freeRejects + 600, 30 * time.Second, 0}, // in the long run: as many as are answered
		{freeRejects + 620, 30 * time.Second, time.Second},
		{1 << 40, time.Hour, longestBreath},
	} {
		if got := breath(test.rejected, test.connected); (got - test.wait).Abs() > time.Millisecond {
			t.Errorf("%d rejections in %v: waits %v, want %v", test.rejected, test.connected, got, test.wait)
		}
	}
	var rejected int64 // of somebody who asks as fast as it is read
	for at := time.Duration(0); at < time.Minute; at += max(breath(rejected, at), time.Microsecond) {
		rejected++
	}
	if rejected > freeRejects+61*rejectsPerSecond {
		t.Errorf("%d rejections in a minute", rejected)
	}
}

func TestCrumbsAreOdd(t *testing.T) {
	const pieceLen = 100_000
	for _, test := range []struct {
		begin, length uint32
		want          bool
	}{
		{0, 1, true}, {0, shortBlock - 1, true}, {0, shortBlock, false}, {0, peerwire.BlockSize, false},
		{pieceLen - 1, 1, false}, {pieceLen - 2, 1, true},
	} {
		if got := odd(peerwire.Message{Begin: test.begin, Length: test.length}, pieceLen); got != test.want {
			t.Errorf("%d bytes from %d: %t", test.length, test.begin, got)
		}
	}
}
