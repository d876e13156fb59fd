package disk

import (
	"fmt"
	"time"
)

// budgetTime is the most that a write budget lasts while ebb runs, whatever the clock says meanwhile.
const budgetTime = 24 * time.Hour

// budget counts what the background writes in a day. Its days begin at local midnight, but a router may boot in 1970 and
// learn the date later, and any clock can be set wrong and set back. So a new day is one later than every day seen
// before, and failing that, a budget lasts for 24 h of the time that ebb runs. Nothing else makes it forget what was written.
// It does no I/O; times come from the caller. The zero value has seen no day.
type budget struct {
	day     int           // the latest day seen, as yyyymmdd
	age     time.Duration // how long the present budget has been running, while ebb was
	spent   int64         // bytes written since it began
	written int64         // by the store, when they were last counted
	up      time.Duration // how long this process had been running by then
}

// count brings the budget up to date: at that wall-clock time, when the process has been running for up, and the store
// has written so many bytes since it was opened. What was written since the last count belongs to the day that
// begins, if one begins.
func (b *budget) count(wall time.Time, up time.Duration, written int64) {
	b.age += max(up-b.up, 0)
	b.up = max(up, b.up)
	if today := dayOf(wall); today > b.day || b.age >= budgetTime {
		b.day, b.age, b.spent = max(today, b.day), 0, 0
	}
	b.spent = min(b.spent+max(written-b.written, 0), mostFree)
	b.written = max(written, b.written)
}

// renews returns when the next budget begins, if the clock is not set until then.
func (b *budget) renews(wall time.Time) time.Time {
	at := wall.Add(budgetTime - b.age)
	year, month, day := wall.Date()
	if midnight := time.Date(year, month, day+1, 0, 0, 0, 0, wall.Location()); dayOf(wall) >= b.day && midnight.Before(at) {
		return midnight
	}
	return at
}

func dayOf(t time.Time) int {
	year, month, day := t.Date()
	return year*10000 + int(month)*100 + day
}

// String returns what is kept across restarts: day, bytes spent, and age in seconds.
func (b *budget) String() string {
	return fmt.Sprintf("%d %d %d", b.day, b.spent, b.age/time.Second)
}

// parseBudget reads what String wrote. What cannot have been written by it counts as no budget.
func parseBudget(text string) budget {
	var day int
	var spent, age int64
	var rest string
	if n, _ := fmt.Sscan(text, &day, &spent, &age, &rest); n != 3 || day < 0 || spent < 0 || age < 0 {
		return budget{}
	}
	age = min(age, int64(budgetTime/time.Second))
	return budget{day: day, spent: min(spent, mostFree), age: time.Duration(age) * time.Second}
}
