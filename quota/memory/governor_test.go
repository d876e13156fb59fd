package memory

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const mebi = 1 << 20

// memoryStory shows a governor one sample after the other, two seconds apart.
type memoryStory struct {
	t        *testing.T
	governor Governor
	total    int64
	now      time.Time
	last     Decision
	given    []time.Time // when memory was to be given back
}

func newMemoryStory(t *testing.T, total int64) *memoryStory {
	return &memoryStory{t: t, total: total, now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

// see has the governor see the same for a while, and returns each number of connections that it comes to.
func (m *memoryStory) see(d time.Duration, available int64, waits float64) (conns []int) {
	for end := m.now.Add(d); m.now.Before(end); m.now = m.now.Add(2 * time.Second) {
		m.last = m.governor.Decide(Sample{At: m.now, Total: m.total, Available: available, Waits: waits})
		if m.last.GiveBack {
			m.given = append(m.given, m.now)
		}
		if n := len(conns); n == 0 || conns[n-1] != m.last.Connections {
			conns = append(conns, m.last.Connections)
		}
	}
	return conns
}

func (m *memoryStory) expect(what string, short bool, conns int) {
	m.t.Helper()
	if m.last.Short != short || m.last.Connections != conns {
		m.t.Errorf("%s: short %v with %d connections, want %v with %d", what, m.last.Short, m.last.Connections, short, conns)
	}
}

func TestMemoryIsShortInTime(t *testing.T) {
	for _, c := range []struct {
		name             string
		total, available int64
		waits            float64
		short            bool
	}{
		{"a router of 128 MB with 16 MiB left", 120 * mebi, 16 * mebi, 0, false},
		{"with 11 MiB left", 120 * mebi, 11 * mebi, 0, true},
		{"one of 64 MB with 10 MiB left", 58 * mebi, 10 * mebi, 0, false},
		{"with 7 MiB left", 58 * mebi, 7 * mebi, 0, true},
		{"one of 512 MB with 64 MiB left", 490 * mebi, 64 * mebi, 0, false},
		{"with 48 MiB left", 490 * mebi, 48 * mebi, 0, true},
		{"a machine of 24 GB with 300 MiB left", 24 << 30, 300 * mebi, 0, false},
		{"with 200 MiB left", 24 << 30, 200 * mebi, 0, true},
		{"with plenty left, while somebody waits", 24 << 30, 20 << 30, 0.3, true},
		{"while somebody waits a little", 24 << 30, 20 << 30, 0.15, false},
		{"a cgroup of 16 MiB with 5 MiB left", 16 * mebi, 5 * mebi, 0, false},
		{"with 3 MiB left", 16 * mebi, 3 * mebi, 0, true},
		{"a cgroup over its limit", 16 * mebi, 0, 0, true},
		{"nothing is known", 0, 0, 0, false},
		{"nothing but that somebody waits", 0, 0, 0.3, true},
	} {
		m := newMemoryStory(t, c.total)
		m.see(2*time.Second, c.available, c.waits)
		if m.last.Short != c.short || (m.last.Connections < ConnectionsFor(c.total)) != c.short {
			t.Errorf("%s: short %v, with %d connections", c.name, m.last.Short, m.last.Connections)
		}
	}
}

func TestShortMemoryHalvesTheConnectionsUntilItIsEnough(t *testing.T) {
	m := newMemoryStory(t, 120*mebi)
	m.see(time.Minute, 40*mebi, 0)
	m.expect("plenty", false, 120)
	if got := m.see(13*time.Second, 10*mebi, 0); !slices.Equal(got, []int{60, 30, 15}) {
		t.Errorf("connections went to %v", got)
	}
	m.see(10*time.Minute, 13*mebi, 0)
	m.expect("just enough again, but it may not last", true, 15)
	if got := m.see(5*time.Minute, 40*mebi, 0); !slices.Equal(got, []int{15, 30, 60, 120}) {
		t.Errorf("connections came back by %v", got)
	}
	m.expect("plenty", false, 120)
	m.see(10*time.Minute, 7*mebi, 0)
	m.expect("short for long", true, 0)
}

func TestLastMemoryClosesEverythingAtOnce(t *testing.T) {
	for _, total := range []int64{16 * mebi, 120 * mebi, 24 << 30} {
		m := newMemoryStory(t, total)
		if got := m.see(2*time.Second, enoughMemory(total)/2-1, 0); !slices.Equal(got, []int{0}) {
			t.Errorf("with almost none of %d MiB left there may be %v connections", total/mebi, got)
		}
		// And no step back is wasted on what could not be halved any more.
		m.see(doubleInterval+2*time.Second, total, 0)
		if m.last.Short || m.last.Connections == 0 {
			t.Errorf("with %d MiB available again there may be %d connections", total/mebi, m.last.Connections)
		}
	}
}

func TestConnectionsDoNotFlapWithTheMemory(t *testing.T) {
	m := newMemoryStory(t, 120*mebi)
	m.see(time.Minute, 10*mebi, 0)
	m.expect("short", true, 0)
	for range 100 {
		m.see(4*time.Second, 10*mebi, 0)
		m.see(doubleInterval-4*time.Second, 100*mebi, 0)
		m.expect("plenty, not for long", true, 0)
	}
	// Around the threshold, from plenty down: one step, and no more to and fro.
	m = newMemoryStory(t, 120*mebi)
	var changes []int
	for range 100 {
		changes = append(changes, m.see(2*time.Second, 12*mebi-1, 0)...)
		changes = append(changes, m.see(4*time.Second, 12*mebi+1, 0)...)
	}
	if !slices.IsSortedFunc(changes, func(a, b int) int { return b - a }) {
		t.Errorf("connections went to %v", slices.Compact(changes))
	}
	// The same for what was waited.
	m = newMemoryStory(t, 0)
	for range 20 {
		m.see(4*time.Second, 0, 0.21)
		m.see(time.Minute, 0, 0.19)
	}
	m.expect("waits around the threshold", true, 0)
	m.see(time.Hour, 0, 0.05)
	m.expect("nobody waits", false, 50)
}

func TestMemoryIsGivenBackNowAndThen(t *testing.T) {
	m := newMemoryStory(t, 120*mebi)
	m.see(time.Hour, 40*mebi, 0)
	if len(m.given) > 0 {
		t.Errorf("given back %d times while there was plenty", len(m.given))
	}
	given := func(d time.Duration, available int64) string {
		start := m.now
		m.given = nil
		m.see(d+2*time.Second, available, 0)
		var after []string
		for _, at := range m.given {
			after = append(after, at.Sub(start).String())
		}
		return strings.Join(after, " ")
	}
	// At once, again while connections are given up, and then seldom.
	if got, want := given(30*time.Minute, 10*mebi), "0s 16s 32s 48s 10m48s 20m48s"; got != want {
		t.Errorf("given back after %s, want %s", got, want)
	}
	// What is given up all at once has ended by the second time.
	m.see(time.Hour, 40*mebi, 0)
	if got, want := given(5*time.Minute, 3*mebi), "0s 16s"; got != want {
		t.Errorf("given back after %s, want %s", got, want)
	}
}

// TestWhateverIsSeenTheConnectionsStayInBounds holds for nonsense too, and for a cgroup whose limit changes.
func TestWhateverIsSeenTheConnectionsStayInBounds(t *testing.T) {
	var g Governor
	now := time.Now()
	totals := []int64{0, -5, 1, 16 * mebi, 120 * mebi, 24 << 30, 1<<63 - 1}
	for i := range 20_000 {
		total := totals[i/7%len(totals)]
		now = now.Add(time.Duration(i%40) * time.Second)
		d := g.Decide(Sample{At: now, Total: total, Available: []int64{-1, 0, total / 20, total / 9, total}[i%5], Waits: float64(i%13) / 10})
		if d.Connections < 0 || d.Connections > ConnectionsFor(total) {
			t.Fatalf("%d connections with %d bytes", d.Connections, total)
		}
	}
}
