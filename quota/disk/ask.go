package disk

import (
	"errors"
	"sync"
	"time"
)

// askTime is how long the ledger waits for whoever has to look at the downloads' disk, counted from when it was asked.
// A disk in standby takes ten seconds to spin up, and a sick one may never answer.
const askTime = time.Second

var errNoAnswer = errors.New("the disk does not answer")

// question is put to a download, or a disk, that may take long to answer it. It is put again and again, but never twice
// at a time. If the answer is late, the last one counts.
type question[T any] struct {
	put func() T

	mu   sync.Mutex // guards the fields below
	last T
	open *call // nil unless it was put and not answered yet
}

// call is one asking of a question.
type call struct {
	since time.Time
	done  chan struct{} // closed when it has been answered
}

// ask puts the question, or joins those who wait for the answer already.
func (q *question[T]) ask() *call {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.open != nil {
		return q.open
	}
	c := &call{since: time.Now(), done: make(chan struct{})}
	q.open = c
	go func() {
		answer := q.put()
		q.mu.Lock()
		defer q.mu.Unlock()
		q.last, q.open = answer, nil
		close(c.done)
	}()
	return c
}

// wait reports whether the answer came within askTime. One that is overdue is not waited for.
func (c *call) wait() bool {
	select {
	case <-c.done:
		return true
	default:
	}
	timer := time.NewTimer(time.Until(c.since.Add(askTime)))
	defer timer.Stop()
	select {
	case <-c.done:
		return true
	case <-timer.C:
		return false
	}
}

// latest returns the last answer.
func (q *question[T]) latest() T {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.last
}

// insist puts the question and waits for the answer, however long that takes.
func (q *question[T]) insist() T {
	answer := q.put()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.last = answer
	return answer
}
