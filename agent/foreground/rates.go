package foreground

import "time"

// rateWindow is how far back rates look. rain's own are over a minute, too slow for somebody who watches.
const rateWindow = 10 * time.Second

// rates turns counts of bytes into bytes per second.
type rates struct {
	samples []sample
}

type sample struct {
	at       time.Time
	down, up int64 // bytes so far
}

// add notes the counts at a time. Only the last sample that has left the window is kept of those that have.
func (r *rates) add(at time.Time, down, up int64) {
	if n := len(r.samples); n > 0 && (down < r.samples[n-1].down || up < r.samples[n-1].up) {
		r.samples = r.samples[:0] // the counters have started over
	}
	for len(r.samples) > 1 && at.Sub(r.samples[1].at) >= rateWindow {
		r.samples = r.samples[1:]
	}
	r.samples = append(r.samples, sample{at, down, up})
}

// perSecond returns the rates over the window, in bytes per second.
func (r *rates) perSecond() (down, up int64) {
	if len(r.samples) < 2 {
		return 0, 0
	}
	first, last := r.samples[0], r.samples[len(r.samples)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0, 0
	}
	return int64(float64(last.down-first.down) / seconds), int64(float64(last.up-first.up) / seconds)
}
