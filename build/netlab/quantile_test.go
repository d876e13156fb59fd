package netlab

import (
	"testing"
	"time"
)

func TestQuantile(t *testing.T) {
	hundred := make([]int, 100)
	for i := range hundred {
		hundred[i] = 100 - i
	}
	for _, c := range []struct {
		values []int
		q      float64
		want   int
	}{
		{nil, 0.95, 0}, {[]int{7}, 0, 7}, {[]int{7}, 1, 7},
		{hundred, 0.95, 95}, {hundred, 0.5, 50}, {hundred, 1, 100}, {hundred, 0, 1},
		{[]int{3, 1, 2}, 0.5, 2}, {[]int{4, 3, 2, 1}, 0.5, 2}, {[]int{4, 3, 2, 1}, 0.51, 3},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %v of %d values: %d, want %d", c.q, len(c.values), got, c.want)
		}
	}
}

// asked makes samples 50 ms apart; 0 is a lost one.
func asked(start time.Time, milliseconds ...int) []Sample {
	var all []Sample
	for i, ms := range milliseconds {
		all = append(all, Sample{Sent: start.Add(time.Duration(i) * pingEvery), RTT: time.Duration(ms) * time.Millisecond})
	}
	return all
}

func TestPingBetween(t *testing.T) {
	start := time.Unix(100, 0)
	samples := asked(start, 999, 20, 0, 30, 25, 999)
	p := pingBetween(samples, start.Add(pingEvery), start.Add(5*pingEvery))
	want := Ping{P50: 25 * time.Millisecond, P95: 30 * time.Millisecond, Max: 30 * time.Millisecond, Asked: 4, Lost: 0.25}
	if p != want {
		t.Errorf("%+v, want %+v", p, want)
	}
	if p := pingBetween(samples, start.Add(time.Hour), start.Add(2*time.Hour)); p != (Ping{}) {
		t.Errorf("no samples: %+v", p)
	}
}

func TestFirstCalm(t *testing.T) {
	start := time.Unix(100, 0)
	var course []int
	for range 10 {
		course = append(course, 500)
	}
	for i := range 50 { // calm but for the 10th and the 15th, which is lost
		course = append(course, map[int]int{10: 200, 15: 0}[i])
		if i != 10 && i != 15 {
			course[len(course)-1] = 20
		}
	}
	samples := asked(start, course...)
	at, found := firstCalm(samples, start, 50*time.Millisecond)
	if want := start.Add(25*pingEvery + 1); !found || !at.Equal(want) {
		t.Errorf("calm from %v, want %v", at.Sub(start), want.Sub(start))
	}
	if at, found := firstCalm(samples, start, 10*time.Millisecond); found {
		t.Errorf("calm from %v, want never", at)
	}
	if at, found := firstCalm(samples, start.Add(7*pingEvery), time.Second); !found || !at.Equal(start.Add(25*pingEvery+1)) {
		t.Errorf("calm from %v, want from after the one that was lost", at.Sub(start))
	}
}
