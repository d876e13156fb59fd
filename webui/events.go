package webui

import (
	"sync"
	"time"
	"unicode/utf8"

	"ebb/agent/swarm"
)

const (
	// eventsKept is how many events an EventLog remembers, so that a page that is opened has a story to show. At 200
	// bytes each it is 50 kB.
	eventsKept = 256
	// maxEventText bounds the texts of an event, which may quote a peer. In bytes.
	maxEventText = 512
)

// EventLog remembers the latest events for whoever listens.
//
// Listeners share one ring and keep only their place in it, so that a slow one costs nothing and holds up nobody: it
// finds a gap where it fell behind.
type EventLog struct {
	mu      sync.Mutex    // guards all below
	kept    []swarm.Event // oldest first, at most eventsKept
	last    uint64        // ID of the latest event, or the number that the first follows
	changed chan struct{}
}

// NewEventLog returns an empty log. Its IDs begin at the present time in milliseconds: a listener that comes back after
// a restart of the agent still finds all new events behind the last that it saw.
func NewEventLog() *EventLog {
	return &EventLog{
		last:    uint64(time.Now().UnixMilli()),
		changed: make(chan struct{}),
	}
}

// Publish adds an event. It never waits for a listener.
func (l *EventLog) Publish(e swarm.Event) {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Text = truncate(e.Text, maxEventText)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	e.ID = l.last
	if len(l.kept) == eventsKept {
		l.kept = append(l.kept[:0], l.kept[1:]...)
	}
	l.kept = append(l.kept, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// After returns the kept events with an ID greater than id, oldest first, and a channel that closes when the next one
// is published. An id that this log never gave out returns all.
func (l *EventLog) After(id uint64) ([]swarm.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id > l.last {
		id = 0
	}
	n := min(l.last-id, uint64(len(l.kept)))
	return append([]swarm.Event(nil), l.kept[uint64(len(l.kept))-n:]...), l.changed
}

// truncate shortens s to at most max bytes, and not within a character.
func truncate(s string, max int) string {
	if len(s) <= max {
		return s
	}
	for max > 0 && !utf8.RuneStart(s[max]) {
		max--
	}
	return s[:max] + "…"
}
