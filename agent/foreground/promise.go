package foreground

import (
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/foreground/files"
	"ebb/agent/swarm"
)

const (
	// measureShare is how many times longer than a measurement its result is used: a torrent of ten thousand files
	// takes a while, so 2 % of the time may go into measuring.
	measureShare = 49
	// measurePatience bounds how long the ledger waits for a disk that may be asleep, or may not answer at all.
	measurePatience = time.Second
)

// promise knows how many bytes of a download still have to find room on the disk. The ledger asks it, at any time and
// from any goroutine, and needs no keeper for the answer.
type promise struct {
	place  files.Place
	asking *errands

	// unchecked is how many bytes of the download are not hash-checked, see files.Found. unplaced is how many bytes
	// of its pieces are fragments that will go from the same disk as they are placed.
	unchecked, unplaced atomic.Int64

	mu        sync.Mutex // guards the rest
	last      int64      // bytes, of the last measurement
	due       time.Time  // of the next one
	measuring bool
}

// newPromise measures for the first time. Errors are those of the survey.
func (s *Session) newPromise(place files.Place, unchecked, unplaced int64) (*promise, files.Found, error) {
	p := &promise{place: place, asking: &s.asking}
	p.unchecked.Store(unchecked)
	p.unplaced.Store(unplaced)
	began := time.Now()
	found, err := p.place.Survey()
	p.last = p.missing(found)
	p.due = time.Now().Add(measureShare * time.Since(began))
	return p, found, err
}

// missing returns what still has to find room.
func (p *promise) missing(f files.Found) int64 {
	return max(f.Missing(p.unchecked.Load())-p.unplaced.Load(), 0)
}

// remaining returns the bytes that are not on disk yet. When the disk does not answer in time, that is what was true
// before.
func (p *promise) remaining() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.measuring || time.Now().Before(p.due) || !p.asking.enter() {
		return p.last
	}
	p.measuring = true
	done := make(chan struct{})
	go func() {
		defer p.asking.leave()
		defer close(done)
		p.measure()
	}()
	p.mu.Unlock()
	timer := time.NewTimer(measurePatience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
	p.mu.Lock()
	return p.last
}

// measure looks at the files.
func (p *promise) measure() {
	began := time.Now()
	found, err := p.place.Survey()
	took := time.Since(began)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.measuring, p.due = false, time.Now().Add(measureShare*took)
	// Without any file the disk is most likely not mounted. Then nobody has to make room on what it is mounted on.
	if err == nil && found.Present > 0 {
		p.last = p.missing(found)
	}
}

// ask asks the ledger for the room, if any is needed. A promise that was not made because none is needed is nil.
func (p *promise) ask(ledger Ledger, h swarm.InfoHash) (*promise, error) {
	if p.last == 0 {
		return nil, nil
	}
	if err := ledger.Reserve(h, p.remaining); err != nil {
		return nil, err
	}
	return p, nil
}

// errands counts what a session waits for when it closes.
type errands struct {
	mu      sync.Mutex // enter and wait must not meet
	closed  bool
	running sync.WaitGroup
}

// enter begins an errand, unless it is too late for any.
func (e *errands) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.running.Add(1)
	return true
}

// leave ends an errand.
func (e *errands) leave() { e.running.Done() }

// wait lets no more begin, and waits for those that have.
func (e *errands) wait() {
	e.mu.Lock()
	e.closed = true
	e.mu.Unlock()
	e.running.Wait()
}
