package line

import (
	"sync"
	"time"
)

const (
	meterSlot  = 500 * time.Millisecond
	meterSlots = 10 // five seconds
)

// meter counts bytes, and how fast they came lately. Its zero value is ready for use.
type meter struct {
	mu    sync.Mutex // guards the fields below
	total int64
	slots [meterSlots + 1]int64 // bytes per slot of time, the running one included; slot i is at i modulo the length
	last  int64                 // the running slot
}

func (m *meter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	m.total += n
	m.slots[m.last%int64(len(m.slots))] += n
}

func (m *meter) sum() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// rate returns bytes per second over the last five seconds that are over: the running slot is too young to tell.
func (m *meter) rate() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance()
	var sum int64
	for i, n := range m.slots {
		if int64(i) != m.last%int64(len(m.slots)) {
			sum += n
		}
	}
	return sum * int64(time.Second/meterSlot) / meterSlots
}

// advance empties the slots that time has passed since the last call. m.mu is held.
func (m *meter) advance() {
	now := time.Now().UnixNano() / int64(meterSlot)
	if now < m.last || now-m.last > int64(len(m.slots)) { // long ago, or the clock was set back
		clear(m.slots[:])
		m.last = now
	}
	for m.last < now {
		m.last++
		m.slots[m.last%int64(len(m.slots))] = 0
	}
}
