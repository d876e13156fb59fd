package fragstore

import (
	"sync"
	"time"
)

const (
	// warmthSpan is how long serving is remembered at least; twice as long at most.
	warmthSpan = 5 * time.Minute
	// warmthKeys bounds how many fragments are remembered per span: with both, 300 kB. What does not fit counts as
	// cold.
	warmthKeys = 2048
)

// warmth knows which fragments are served again and again. Its zero value knows none.
type warmth struct {
	mu              sync.Mutex // guards the fields below
	began           time.Time  // of the present span
	present, before map[Key]int64
}

// cold notes that n bytes of a fragment were served, and reports whether that was, with what was served of it lately,
// no more than its length: one peer has taken it, and nobody else.
func (w *warmth) cold(k Key, n, length int64) bool {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	if age := now.Sub(w.began); w.present == nil || age >= warmthSpan {
		w.before = w.present
		if age >= 2*warmthSpan {
			w.before = nil
		}
		w.present, w.began = make(map[Key]int64), now
	}
	sum, known := w.present[k]
	sum += n
	if known || len(w.present) < warmthKeys {
		w.present[k] = sum
	}
	return sum+w.before[k] <= length
}
