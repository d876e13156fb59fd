package background

import (
	"errors"
	"sync"
	"time"

	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
)

// Why nothing is fetched for now of a swarm that wants more, as its owner is
// told. What is not here is what the ledger says.
const (
	waitsForRoom = "no room"
	waitsForDisk = "the disk sleeps"
)

var waitsForBudget = disk.ErrBudget.Error()

// errShare says that the swarms of one introducer have filled their share.
var errShare = errors.New("no room: the share of the storage that one introducer may fill is full")

// waitsFor says what an error of the ledger or the store means to the owner.
func waitsFor(err error) string {
	if errors.Is(err, disk.ErrNoRoom) || errors.Is(err, fragstore.ErrAborted) {
		return waitsForRoom
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner // what was being done is of no use to the owner
	}
	return err.Error()
}

// tickLength is how often a live swarm looks at what it may do.
const tickLength = time.Second

// putOff puts off new fetches because there was no room for one. known: the
// engine knows why, and the ledger is not asked before that is over.
func (l *live) putOff(err error, known bool) {
	pause := noRoomPause
	switch {
	case known:
		pause = tickLength
	case errors.Is(err, disk.ErrBudget):
		pause = budgetPause // one day's budget is not enough for a piece of this swarm
	}
	l.pause(pause, waitsFor(err))
}

// pause puts off new fetches for so long, or for as long as they are put off already.
func (l *live) pause(d time.Duration, why string) {
	until := time.Now().Add(d)
	if !until.After(l.pausedUntil) {
		return
	}
	l.pausedUntil = until
	l.swarm.mu.Lock()
	defer l.swarm.mu.Unlock()
	l.swarm.waiting, l.swarm.waitingUntil = why, until.Add(tickLength)
}

// waitNoMore notes that there is room.
func (l *live) waitNoMore() {
	l.swarm.mu.Lock()
	defer l.swarm.mu.Unlock()
	l.swarm.waiting = ""
}

// asleep reports whether the disk sleeps and is not to be woken.
func (e *Engine) asleep() bool {
	return e.cfg.Unavailable != nil && errors.Is(e.cfg.Unavailable(), disk.ErrAsleep)
}

// followDisk stops serving as soon as the disk sleeps, and goes on when it wakes.
func (l *live) followDisk(now time.Time) {
	if asleep := l.engine.asleep(); asleep != l.diskAsleep {
		l.diskAsleep = asleep
		l.unchoke(now)
	}
}

// writeBudget is the engine's memory of the write budget: while it is spent, no swarm asks the ledger.
type writeBudget struct {
	mu     sync.Mutex // guards the fields below
	spent  bool
	writes int64     // the owner's limit when the ledger said so
	until  time.Time // the ledger is not asked again before, unless the owner changes the limit
}

// budgetPause is how often the ledger is asked whether it has budget again, besides the moment in which it renews: what
// was being received counted, and may have been given up.
const budgetPause = time.Minute

// isSpent reports whether the ledger is not to be asked.
func (b *writeBudget) isSpent() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.spent
}

// spend notes that there are no more than length bytes left. It reports false if there never are as many, so that
// others may still have theirs.
func (b *writeBudget) spend(length int64, usage disk.Usage, now time.Time) bool {
	if usage.Writes >= 0 && length > usage.Writes {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.spent, b.writes, b.until = true, usage.Writes, now.Add(budgetPause)
	if usage.Renews.After(now) && usage.Renews.Before(b.until) {
		b.until = usage.Renews
	}
	return true
}

// renew notes when the ledger is to be asked again.
func (b *writeBudget) renew(usage disk.Usage, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.spent && (!now.Before(b.until) || usage.Writes != b.writes) {
		b.spent = false
	}
}
