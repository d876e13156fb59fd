package prefs

import "sync"

// Live holds the preferences that are in force. Whoever goes by one reads it there when it is needed, so that there is
// nothing to keep in step. Its methods may be called by any number of goroutines.
type Live struct {
	mu      sync.Mutex // guards what follows
	inForce Preferences
	changed chan struct{} // closed and replaced by each change
}

// NewLive returns a Live with these preferences in force.
func NewLive(p Preferences) *Live {
	return &Live{inForce: p, changed: make(chan struct{})}
}

// Get returns the preferences in force. The lists in it must not be changed.
func (l *Live) Get() Preferences {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.inForce
}

// Set puts p into force, and returns what was before. Where the state lies cannot change under who uses it, so p.State
// does not count.
func (l *Live) Set(p Preferences) (before Preferences) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = l.inForce
	p.State = before.State
	l.inForce = p
	close(l.changed)
	l.changed = make(chan struct{})
	return before
}

// Changed is closed by the next Set. To miss none, ask for it before Get.
func (l *Live) Changed() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changed
}
