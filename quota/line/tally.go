package line

import (
	"sync"
	"time"
)

const (
	tallySlot  = 500 * time.Millisecond
	tallySlots = 10 // five seconds
)

// tally counts bytes that passed, and how fast they did lately. Its zero value is ready for use.
type tally struct {
	mu    sync.Mutex // guards the fields below
	total int64
	slots [tallySlots + 1]int64 // bytes per slot of time, the running one included; slot i is at i modulo the length
	last  int64                 // the running slot
}

func (t *tally) add(n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance()
	t.total += n
	t.slots[t.last%int64(len(t.slots))] += n
}

func (t *tally) sum() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.total
}

// rate returns bytes per second over the last five seconds that are over: the running slot is too young to tell.
func (t *tally) rate() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.advance()
	var sum int64
	for i, n := range t.slots {
		if int64(i) != t.last%int64(len(t.slots)) {
			sum += n
		}
	}
	return sum * int64(time.Second/tallySlot) / tallySlots
}

// advance empties the slots that time has passed since the last call. t.mu is held.
func (t *tally) advance() {
	now := time.Now().UnixNano() / int64(tallySlot)
	if now < t.last || now-t.last > int64(len(t.slots)) { // long ago, or the clock was set back
		clear(t.slots[:])
		t.last = now
	}
	for t.last < now {
		t.last++
		t.slots[t.last%int64(len(t.slots))] = 0
	}
}
