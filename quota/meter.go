package quota

import (
	"sync"
	"time"
)

// meterSpan is over how many whole seconds a rate is taken.
const meterSpan = 5

// meter counts bytes, in all and for each of the last seconds.
type meter struct {
	mu      sync.Mutex // guards what follows
	total   int64
	seconds [meterSpan + 1]int64 // by second, in turn; the present one is incomplete
	latest  int64                // the second, in Unix time, of the newest count
}

func (m *meter) add(n int) {
	if n <= 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now().Unix())
	m.total += int64(n)
	m.seconds[m.latest%int64(len(m.seconds))] += int64(n)
}

// advance empties the counts of the seconds that have begun since. A clock that
// was set back goes on counting in the newest second. m.mu is held.
func (m *meter) advance(second int64) {
	span := int64(len(m.seconds))
	for range min(max(second-m.latest, 0), span) {
		m.latest++
		m.seconds[m.latest%span] = 0
	}
	m.latest = max(m.latest, second)
}

func (m *meter) sum() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.total
}

// rate is the bytes per second over the last whole seconds.
func (m *meter) rate(now time.Time) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now.Unix())
	var n int64
	for i, count := range m.seconds {
		if int64(i) != m.latest%int64(len(m.seconds)) {
			n += count
		}
	}
	return n / meterSpan
}
