package line

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// learned learns what a line carries each way from what it has carried. It has no clock and may be used by one
// goroutine at a time. The zero value knows nothing yet.
//
// What the line carried for ten seconds it can carry: the rate is the mean of such a stretch. It takes two of them, so
// that one error of measurement does not count for weeks. Lines become slower, too: each day with traffic, the rate
// moves towards what was best on that day, by half in a week.
//
// It must be fed with traffic of the line only: on a machine behind the router, an interface carries that of the LAN
// too. Each interface that leads to the internet has a learned of its own.
type learned struct {
	at       time.Time     // of the last sample; zero: none
	stretch  time.Duration // how long the sums of both ways have been running
	day      time.Duration // since the ways last forgot; of samples, so that wrong clocks and days off do not count
	up, down way
}

// way is one direction of a line. Rates in bytes per second.
type way struct {
	rate         float64
	best, second float64 // of the stretches of this day
	sum          float64 // bytes of this stretch
}

const (
	learnStretch = 10 * time.Second
	learnGap     = 2 * time.Second // samples that are further apart do not belong together
	learnDay     = 24 * time.Hour
	// learnFastest is the most that is believed: 1 Tbit/s.
	learnFastest = 1e12 / 8
	// learnIdle is the part of the rate below which a day's best says that nobody used the line, not that it is slow.
	learnIdle = 1.0 / 64
)

// learnKeep is the part of a difference that a day leaves: seven of them leave half.
var learnKeep = math.Exp2(-1.0 / 7)

// add takes the mean rates since the last sample, in bytes per second; samples come several times a second.
func (l *learned) add(at time.Time, up, down float64) {
	over := at.Sub(l.at)
	first := l.at.IsZero()
	l.at = at
	if first || over <= 0 || over > learnGap || !plausible(up) || !plausible(down) {
		l.stretch, l.up.sum, l.down.sum = 0, 0, 0
		return
	}
	l.stretch += over
	l.up.sum += up * over.Seconds()
	l.down.sum += down * over.Seconds()
	if l.stretch >= learnStretch {
		l.up.learn(l.stretch)
		l.down.learn(l.stretch)
		l.stretch = 0
	}
	if l.day += over; l.day >= learnDay {
		l.day = 0
		l.up.forget()
		l.down.forget()
	}
}

// rates returns what the line is known to carry each way, in bytes per second; 0 if nothing is known.
func (l *learned) rates() (up, down int64) {
	return int64(l.up.rate), int64(l.down.rate)
}

func plausible(rate float64) bool {
	return rate >= 0 && rate <= learnFastest // false for NaN
}

func (w *way) learn(stretch time.Duration) {
	mean := w.sum / stretch.Seconds()
	w.sum = 0
	if mean > w.best {
		w.best, w.second = mean, w.best
	} else {
		w.second = max(w.second, mean)
	}
	w.rate = max(w.rate, w.second)
}

func (w *way) forget() {
	if w.second >= w.rate*learnIdle {
		w.rate = w.second + (w.rate-w.second)*learnKeep
	}
	w.best, w.second = 0, 0
}

// learnedFormat is the first word of the text, so that a later form can tell.
const learnedFormat = "1"

// MarshalText writes what is to survive a restart: a line of numbers.
func (l *learned) MarshalText() ([]byte, error) {
	return fmt.Appendf(nil, "%s %.0f %.0f %.0f %.0f %.0f %.0f %.0f", learnedFormat, l.day.Seconds(),
		l.up.rate, l.up.best, l.up.second, l.down.rate, l.down.best, l.down.second), nil
}

// UnmarshalText takes the place of what was learned before, unless it returns an error.
func (l *learned) UnmarshalText(text []byte) error {
	const words = 8
	if len(text) > 40*words {
		return fmt.Errorf("learned line rates: %d bytes are too many", len(text))
	}
	fields := strings.Fields(string(text))
	if len(fields) != words || fields[0] != learnedFormat {
		return fmt.Errorf("learned line rates: %.40q is not understood", text)
	}
	var n [words]float64
	for i, field := range fields[1:] {
		value, err := strconv.ParseFloat(field, 64)
		if err != nil || !plausible(value) {
			return fmt.Errorf("learned line rates: %.40q is no rate", field)
		}
		n[i] = value
	}
	read := learned{
		day:  time.Duration(min(n[0], learnDay.Seconds()) * float64(time.Second)),
		up:   way{rate: n[1], best: n[2], second: n[3]},
		down: way{rate: n[4], best: n[5], second: n[6]},
	}
	for _, w := range []way{read.up, read.down} {
		if w.second > w.best || w.second > w.rate {
			return fmt.Errorf("learned line rates: %.40q contradicts itself", text)
		}
	}
	*l = read
	return nil
}
