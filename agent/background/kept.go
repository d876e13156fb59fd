package background

import "sync"

// kept is the fragment that a connection read from last, open for the next block of the same piece: opening costs more
// than a small block does. A fragment that is deleted gives its space back only when it is closed, so it is kept no
// longer than from one tick to the next without being read from.
type kept struct {
	mu     sync.Mutex
	index  uint32 // its piece
	reader reader // nil: none
	used   bool   // since the last tick
}

// take takes it out if it is of that piece, or else closes it and returns nil.
func (k *kept) take(index uint32) reader {
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.reader
	if r != nil && k.index != index {
		k.drop()
		return nil
	}
	k.reader = nil
	return r
}

// put puts back what was taken, or what was opened.
func (k *kept) put(index uint32, r reader) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
	k.index, k.reader, k.used = index, r, true
}

// tick closes it if it has not been used since the last tick.
func (k *kept) tick() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.used {
		k.drop()
	}
	k.used = false
}

// lose closes it if its piece is held no longer.
func (k *kept) lose(held func(index int) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !held(int(k.index)) {
		k.drop()
	}
}

// close closes it.
func (k *kept) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop()
}

// drop closes it. k.mu is held.
func (k *kept) drop() {
	if k.reader != nil {
		_ = k.reader.Close() // nothing was written
		k.reader = nil
	}
}
