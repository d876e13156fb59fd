package line

import (
	"fmt"
	"time"
)

// monthlyTime is the most that a month's transfer lasts while ebb runs, whatever the clock says meanwhile.
const monthlyTime = 31 * 24 * time.Hour

// monthly counts what the background transfers in a calendar month, both ways. Like a budget it begins anew only with
// a month later than every month seen, as clocks are set wrong and set back, or after 31 days of the time that ebb runs.
// It does no I/O; times come from the caller. The zero value has seen no month.
type monthly struct {
	month int           // the latest month seen, as yyyymm
	age   time.Duration // how long the present count has been running, while ebb was
	used  float64       // bytes
	up    time.Duration // how long this process had been running at the last count
}

// count adds what was transferred since the last count, when the process has been running for up. It belongs to the
// month that begins, if one begins.
func (m *monthly) count(wall time.Time, up time.Duration, bytes float64) {
	m.age += max(up-m.up, 0)
	m.up = max(up, m.up)
	if month := monthOf(wall); month > m.month || m.age >= monthlyTime {
		m.month, m.age, m.used = max(month, m.month), 0, 0
	}
	m.used = min(m.used+max(bytes, 0), mostTransfer)
}

// mostTransfer keeps the count within the whole numbers of a float64.
const mostTransfer = 1 << 53

// renews returns when the next count begins, if the clock is not set until then.
func (m *monthly) renews(wall time.Time) time.Time {
	at := wall.Add(monthlyTime - m.age)
	year, month, _ := wall.Date()
	if first := time.Date(year, month+1, 1, 0, 0, 0, 0, wall.Location()); monthOf(wall) >= m.month && first.Before(at) {
		return first
	}
	return at
}

func monthOf(t time.Time) int {
	year, month, _ := t.Date()
	return year*100 + int(month)
}

// String returns what is kept across restarts: month, bytes, and age in seconds.
func (m *monthly) String() string {
	return fmt.Sprintf("%d %.0f %d", m.month, m.used, m.age/time.Second)
}

// parseMonthly reads what String wrote. What cannot have been written by it counts as no month.
func parseMonthly(text string) monthly {
	var month int
	var used, age int64
	var rest string
	if n, _ := fmt.Sscan(text, &month, &used, &age, &rest); n != 3 || month < 0 || used < 0 || age < 0 {
		return monthly{}
	}
	age = min(age, int64(monthlyTime/time.Second))
	return monthly{month: month, used: float64(min(used, mostTransfer)), age: time.Duration(age) * time.Second}
}
