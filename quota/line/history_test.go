package line

import (
	"testing"
	"time"

	"ebb/quota/line/govern"
)

func TestTheLastTenMinutesAreRemembered(t *testing.T) {
	var h past
	if got := h.list(); len(got) != 0 {
		t.Errorf("at first %d moments", len(got))
	}
	now := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	for i := range 8 * momentsMost * 3 / 2 { // fifteen minutes
		now = now.Add(govern.Tick)
		d := govern.Decision{Delay: time.Duration(i%8) * time.Millisecond, Delayed: true, Reason: "sharing: the line is free"}
		h.add(now, govern.Tick, govern.Rates{Up: float64(i % 8), Down: 1}, d)
	}
	got := h.list()
	if len(got) != momentsMost || !got[len(got)-1].At.Equal(now) || got[len(got)-1].At.Sub(got[0].At) != 10*time.Minute-momentTime {
		t.Fatalf("%d moments, from %v to %v", len(got), got[0].At, got[len(got)-1].At)
	}
	if m := got[7]; m.Own != (govern.Rates{Up: 3.5, Down: 1}) || m.Queue != 7*time.Millisecond || m.Reason == "" {
		t.Errorf("a moment is %+v", m)
	}
}
