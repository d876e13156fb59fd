package quota

import (
	"fmt"
	"time"
)

// Calendar says how long a Period lasts.
type Calendar int

const (
	Daily Calendar = iota
	Monthly
)

// Period counts the bytes of a calendar day or month. It begins at local midnight, but a router may boot in 1970 and
// learn the date later, and any clock can be set wrong and set back. So a new one begins only with a day (or month)
// later than every one seen before, where what was counted before any day was seen belongs to the first; and failing that, when the present one has lasted for 24 hours (or 31 days) of the
// time that ebb runs. Nothing else makes it forget what it counted. It does no I/O; times come from the caller. The
// zero value counts a day, and has seen none.
type Period struct {
	calendar Calendar
	latest   int           // the latest day or month seen, as yyyymmdd or yyyymm
	age      time.Duration // how long the present count has been running, while ebb was
	used     int64         // bytes
	up       time.Duration // how long this process had been running at the last count
}

// mostUsed bounds the count, at 1 EiB, so that it can be added to.
const mostUsed = 1 << 60

// Count adds bytes that were used since the last count, at this time by the clock on the wall, when the process has
// been running for up. They belong to the period that begins, if one begins. Less than 0 bytes count as none.
func (p *Period) Count(wall time.Time, up time.Duration, bytes int64) {
	p.age += max(up-p.up, 0)
	p.up = max(up, p.up)
	now := p.calendar.number(wall)
	if now > p.latest && p.latest > 0 || p.age >= p.calendar.longest() {
		p.age, p.used = 0, 0
	}
	p.latest = max(now, p.latest)
	p.used += min(max(bytes, 0), mostUsed-p.used)
}

// Used returns the bytes counted since the period began: 0 to 1 EiB.
func (p *Period) Used() int64 { return p.used }

// Age returns for how long the present period has been running, while ebb was.
func (p *Period) Age() time.Duration { return p.age }

// Renews returns when the next period begins, if the clock is not set until then.
func (p *Period) Renews(wall time.Time) time.Time {
	at := wall.Add(p.calendar.longest() - p.age)
	if next := p.calendar.next(wall); ClockSet(wall) && p.calendar.number(wall) >= p.latest && next.Before(at) {
		return next
	}
	return at
}

// String returns what is kept across restarts: the latest day or month, bytes used, and age in seconds.
func (p *Period) String() string {
	return fmt.Sprintf("%d %d %d", p.latest, p.used, p.age/time.Second)
}

// ParsePeriod reads what String wrote. What cannot have been written by it counts as a period that has seen no time
// yet.
func ParsePeriod(c Calendar, text string) Period {
	var latest int
	var used, age int64
	var rest string
	if n, _ := fmt.Sscan(text, &latest, &used, &age, &rest); n != 3 || latest < 0 || used < 0 || age < 0 {
		return Period{calendar: c}
	}
	age = min(age, int64(c.longest()/time.Second))
	return Period{calendar: c, latest: latest, used: min(used, mostUsed), age: time.Duration(age) * time.Second}
}

// longest is the most that a period lasts while ebb runs, whatever the clock says meanwhile.
func (c Calendar) longest() time.Duration {
	if c == Monthly {
		return 31 * 24 * time.Hour
	}
	return 24 * time.Hour
}

// ClockSet reports whether a clock says what time it is: without a battery it begins at 1970, or where FAT does at 1980,
// until somebody tells.
func ClockSet(t time.Time) bool { return t.Year() >= 2000 }

// number names the day or month of a time. Later ones have higher numbers; it is 0 if the clock is not set.
func (c Calendar) number(t time.Time) int {
	if !ClockSet(t) {
		return 0
	}
	year, month, day := t.Date()
	if c == Monthly {
		return year*100 + int(month)
	}
	return year*10000 + int(month)*100 + day
}

// next is when the day or month after that of a time begins.
func (c Calendar) next(t time.Time) time.Time {
	year, month, day := t.Date()
	if c == Monthly {
		return time.Date(year, month+1, 1, 0, 0, 0, 0, t.Location())
	}
	return time.Date(year, month, day+1, 0, 0, 0, 0, t.Location())
}
