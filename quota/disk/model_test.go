package disk

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"testing"
	"time"

	"pgregory.net/rapid"

	"ebb/agent/swarm"
	"ebb/quota/disk/fragstore"
)

// model is what a ledger and its store should be: plain maps and a few numbers.
type model struct {
	*world
	limits   Limits
	values   map[fragstore.Key]float64 // of what is held
	sizes    map[fragstore.Key]int64
	coming   map[swarm.InfoHash]*download // the downloads that have a promise
	told     map[swarm.InfoHash]int64     // what they told the ledger last
	incoming map[fragstore.Key]*fragstore.Writer

	stopped         bool
	level, resumeAt int64

	// The write budget. The store writes its index when it likes, so what it had written when a day began is only
	// known to be between two numbers.
	wall            time.Time
	latest          int   // day
	carried         int64 // what an earlier ledger had counted of it
	seen            int64 // what the store had written before the ledger last looked
	atMost, atLeast int64 // what it had written when the day began
}

const modelDisk = 800 * kib

func TestAnyHistoryKeepsToTheLimits(t *testing.T) {
	parent := memoryDir(t)
	rapid.Check(t, func(t *rapid.T) {
		state, err := os.MkdirTemp(parent, "")
		must(t, err)
		m := &model{
			world:    &world{state: state, total: modelDisk},
			limits:   Limits{Storage: 300 * kib, KeepFree: 50 * kib, Writes: unlimited},
			values:   make(map[fragstore.Key]float64),
			sizes:    make(map[fragstore.Key]int64),
			coming:   make(map[swarm.InfoHash]*download),
			incoming: make(map[fragstore.Key]*fragstore.Writer),
			wall:     time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		}
		m.start(t)
		defer func() { must(t, m.store.Close()) }()
		t.Repeat(map[string]func(*rapid.T){
			"":          m.agrees,
			"admit":     m.admitSome,
			"finish":    m.finish,
			"limits":    m.setLimits,
			"others":    m.othersWrite,
			"land":      m.land,
			"grow":      m.grow,
			"mount":     m.mount,
			"trouble":   m.trouble,
			"enforce":   m.enforce,
			"reserve":   m.reserve,
			"release":   m.release,
			"deleteOne": m.deleteOne,
			"clock":     m.setClock,
			"restart":   m.restart,
		})
	})
}

func (m *model) start(t failer) {
	m.open(t)
	m.begin(m.limits)
	setLimits(m.ledger, m.limits) // a write budget of 0 as well
	m.ledger.clock = func() (time.Time, time.Duration) { return m.wall, 0 }
	m.told, m.stopped = make(map[swarm.InfoHash]int64), false
	clear(m.coming) // they have to reserve again
	text, _ := m.store.Meta(budgetBucket, budgetKey)
	m.latest, m.carried = 0, 0
	if len(text) > 0 {
		_, err := fmt.Sscan(string(text), &m.latest, &m.carried)
		must(t, err)
	}
	m.seen, m.atLeast, m.atMost = 0, 0, 0
	m.newDay()
	for _, swarm := range []string{"a", "b"} {
		h := hashOf(swarm)
		m.store.SetValues(h, func(index uint32) float64 { return m.values[fragstore.Key{Hash: h, Index: index}] })
	}
}

// newDay begins a new budget if the clock shows a later day than ever.
func (m *model) newDay() {
	if today := m.wall.Year()*10000 + int(m.wall.Month())*100 + m.wall.Day(); today > m.latest {
		m.latest, m.carried, m.atLeast = today, 0, m.seen
		m.ledger.Usage()
		m.atMost = m.store.Written()
	}
}

func (m *model) promised() (sum int64) {
	for _, bytes := range m.told {
		sum += bytes
	}
	return sum
}

// refresh has the ledger hear what all downloads say.
func (m *model) refresh() {
	for h, d := range m.coming {
		m.told[h] = max(d.remaining(), 0)
	}
}

func (m *model) inFlight() (sum int64) {
	for _, w := range m.incoming {
		sum += w.Charge()
	}
	return sum
}

// used adds up what is held and incoming.
func (m *model) used() int64 {
	sum := m.inFlight()
	for _, size := range m.sizes {
		sum += size
	}
	return sum
}

// room is what the disk leaves to the background.
func (m *model) room() int64 {
	room := modelDisk - m.others - m.limits.KeepFree
	if m.apart == nil {
		room -= m.promised()
	}
	return max(room, 0)
}

func (m *model) allotment() int64 {
	if m.limits.Share > 0 {
		return int64(m.limits.Share * modelDisk)
	}
	return m.limits.Storage
}

// limit is the rule of the design, in one line.
func (m *model) limit() int64 { return min(m.allotment(), m.room()) }

// mayHave is the limit, or less until regrowth is allowed again.
func (m *model) mayHave() int64 {
	if m.broken != nil {
		return m.allotment()
	}
	if m.stopped && m.room() > m.resumeAt {
		m.stopped = false
	}
	if m.stopped {
		return min(m.limit(), max(m.level, m.used()))
	}
	return m.limit()
}

func (m *model) agrees(t *rapid.T) {
	must(t, m.store.Check())
	got := make(map[fragstore.Key]float64)
	for f := range m.store.Fragments() {
		got[f.Key] = f.Value
	}
	if !maps.Equal(got, m.values) {
		t.Fatalf("held: %v, should be %v", got, m.values)
	}
	m.seen = m.store.Written()
	u := m.ledger.Usage()
	if u.Used != m.used() || u.Promised != m.promised() || u.Limit != m.mayHave() || u.InFlight != m.inFlight() {
		t.Fatalf("Usage = %+v; should be used %d, promised %d, limit %d", u, m.used(), m.promised(), m.mayHave())
	}
	if least, most := m.carried+m.seen-m.atMost, m.carried+m.store.Written()-m.atLeast; u.Written < least || u.Written > most {
		t.Fatalf("written today: %d, should be %d..%d", u.Written, least, most)
	}
	if u.SameDisk != (m.apart == nil) || u.ReadOnly != m.readOnly || (u.DiskError != nil) != (m.broken != nil) {
		t.Fatalf("Usage = %+v", u)
	}
}

// forget takes what was reclaimed out of the model, after checking that each of it was worth less than limit says.
func (m *model) forget(t *rapid.T, mayGo func(value float64) bool) (gone int) {
	keys := m.heard()
	for _, k := range keys {
		value, held := m.values[k]
		if !held || m.store.Has(k) {
			t.Fatalf("%s was reclaimed: held before %v, after %v", k, held, m.store.Has(k))
		}
		if !mayGo(value) {
			t.Fatalf("%s of value %v was reclaimed", k, value)
		}
		delete(m.values, k)
		delete(m.sizes, k)
	}
	return len(keys)
}

// lowestValue reports whether a value is not above that of anything that is still there.
func (m *model) lowestValue(value float64) bool {
	for f := range m.store.Fragments() {
		if f.Value < value {
			return false
		}
	}
	return true
}

// dropAborted takes the incoming fragments out of the model that the ledger gave up.
func (m *model) dropAborted() (n int) {
	for k, w := range m.incoming {
		if _, err := w.WriteAt(nil, 0); errors.Is(err, fragstore.ErrAborted) {
			delete(m.incoming, k)
			n++
		}
	}
	return n
}
