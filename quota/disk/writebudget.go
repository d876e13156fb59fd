package disk

import (
	"errors"
	"fmt"
	"time"

	"ebb/quota"
)

// ErrBudget says that the background may not write any more today.
var ErrBudget = errors.New("today's write budget is spent")

// tooLargeError is ErrBudget for a fragment that no day's budget is enough for.
type tooLargeError struct{ length, writes int64 }

func (e tooLargeError) Error() string {
	return fmt.Sprintf("it has %s, and the whole write budget is %s per day: raise background.write_budget to have it", quota.Bytes(e.length), quota.Bytes(e.writes))
}

func (e tooLargeError) Is(target error) bool { return target == ErrBudget }

// countWritten brings the count of what was written up to date, and returns the process's time. l.mu is held.
func (l *Ledger) countWritten() (up time.Duration) {
	wall, up := l.clock()
	written := l.store.Written()
	l.budget.Count(wall, up, written-l.counted)
	l.counted = max(written, l.counted)
	return up
}

// afford returns ErrBudget if what today's budget has left is not enough for length bytes beside those expected. What is being received
// counts with its full length until it is complete, because how much of it is written already is not known. l.mu is
// held.
func (l *Ledger) afford(length, expected int64) error {
	if l.limits.Writes < 0 {
		return nil
	}
	if length > l.limits.Writes {
		return tooLargeError{length, l.limits.Writes}
	}
	l.countWritten()
	charged, _ := l.store.InFlight()
	if l.budget.Used()+charged+l.pending+expected+length > l.limits.Writes {
		return ErrBudget
	}
	return nil
}

// The count is kept among the store's records.
const (
	budgetBucket = "quota"
	budgetKey    = "written today"
	// keepEvery is how often the count is written down while it grows: each time costs a few pages of the index, and an
	// unclean stop forgets what was written since the last time.
	keepEvery = time.Minute
)

// keepBudget writes the count down, if it has grown and it is time to, or now. An error has been logged by the store,
// and the next call tries again.
func (l *Ledger) keepBudget(now bool) {
	l.mu.Lock()
	up := l.countWritten()
	grown := l.budget.Used() != l.kept.Used() || now && l.budget.Used() > 0 && l.budget.Age()-l.kept.Age() >= keepEvery
	due := grown && (now || up-l.keptAt >= keepEvery)
	kept := l.budget
	l.mu.Unlock()
	if !due || !now && l.unavailable() != nil { // the disk is not woken for this
		return
	}
	err := l.store.PutMeta(budgetBucket, budgetKey, []byte(kept.String()))
	l.mu.Lock()
	defer l.mu.Unlock()
	l.keptAt = up
	if err == nil {
		l.countWritten() // the pages that this took count, but are no reason to write them down
		l.kept = l.budget
	}
}
