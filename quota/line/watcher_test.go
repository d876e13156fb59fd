package line

import (
	"math"
	"testing"
	"time"

	"ebb/quota/line/govern"
)

// The kernel tells the smoothed round trip only.
func TestRoundTripsAreFoundBehindTheSmoothedOne(t *testing.T) {
	for name, c := range map[string]struct {
		acks int
		trip func(i int) float64 // ms
		want float64
	}{
		"one that is longer":        {1, func(int) float64 { return 150 }, 150},
		"one that is shorter":       {1, func(int) float64 { return 21 }, 21},
		"many that are the same":    {100, func(int) float64 { return 120 }, 120},
		"few that vary":             {4, func(i int) float64 { return 100 + 10*float64(i%2) }, 105},
		"many that vary":            {400, func(i int) float64 { return 100 + 10*float64(i%2) }, 105},
		"one without a queue again": {2, func(int) float64 { return 20 }, 20},
	} {
		smooth := 60.0
		before := tcpInfo{rtt: 60 * time.Millisecond, segsIn: math.MaxUint32 - 3, dataSegsIn: 10, acked: 5}
		now := before
		for i := range c.acks {
			smooth += (c.trip(i) - smooth) / 8
			now.segsIn++
			now.acked += 1448
		}
		now.segsIn += 7 // with data of the peer's
		now.dataSegsIn += 7
		now.rtt = time.Duration(smooth*1000) * time.Microsecond
		got, ok := roundTrip(&before, &now)
		if ms := float64(got) / 1e6; !ok || math.Abs(ms-c.want) > 2 {
			t.Errorf("%s: %.1f ms, %v; want %v", name, ms, ok, c.want)
		}
	}
	silent := tcpInfo{rtt: 60 * time.Millisecond, acked: 5}
	if _, ok := roundTrip(&silent, &silent); ok {
		t.Error("a round trip was measured although nothing arrived")
	}
	if got, ok := roundTrip(&tcpInfo{rtt: 1, acked: 1}, &tcpInfo{rtt: 1 << 62, acked: 2}); !ok || got > 10*time.Second {
		t.Errorf("a round trip beyond reason: %v", got)
	}
}

func TestSegmentsAreCountedOnTheWire(t *testing.T) {
	s := socket{header: ethernetHeader + ipv4Header + tcpHeader}
	before := tcpInfo{sent: 1000, received: 50, segsOut: math.MaxUint32, segsIn: math.MaxUint32 - 9}
	now := tcpInfo{sent: 1000 + 10*1448, received: 50, segsOut: 9, segsIn: 5}
	out, in := s.onWire(&before, &now)
	if out != 10*1514 || in != 15*66 {
		t.Errorf("onWire = %v, %v", out, in)
	}
}

func TestOverheadIsFollowedSlowly(t *testing.T) {
	o := govern.GuessedOverhead
	for range 100 {
		o = overheadOf(o, 1514*100, 1448*100)
	}
	if math.Abs(o-1514.0/1448) > .001 {
		t.Errorf("of full segments: %v", o)
	}
	for _, odd := range []float64{math.NaN(), math.Inf(1), -1, 0, 1e300} {
		if got := overheadOf(1.04, odd, 1e6); !(got >= 1 && got <= mostOverhead) {
			t.Errorf("of %v bytes for 1e6: %v", odd, got)
		}
	}
	if got := overheadOf(1.04, 1e6, 17); got != 1.04 {
		t.Errorf("a request changes it to %v", got)
	}
}

// Kernels before 4.6 keep no least round trip, and those before 4.1 do not say how much was acknowledged.
func TestAnOldKernelTellsTheQueueToo(t *testing.T) {
	short, long := tcpInfo{rtt: 20 * time.Millisecond}, tcpInfo{rtt: 90 * time.Millisecond}
	if got, ok := roundTrip(&short, &long); !ok || got != long.rtt {
		t.Errorf("the smoothed round trip has moved to %v: %v, %v", long.rtt, got, ok)
	}
	if got, ok := roundTrip(&long, &long); ok {
		t.Errorf("it has not moved: %v", got)
	}
	if short.shortest() != short.rtt || (&tcpInfo{rtt: 30, least: 20}).shortest() != 20 {
		t.Error("the least round trip is not the one that is known")
	}
}
