package fragstore

import (
	"cmp"
	"math"
	"slices"

	"ebb/agent/swarm"
)

// entry is one fragment in memory. A store may hold hundreds of thousands: it is kept to 40 bytes and has no pointers.
type entry struct {
	value      float64
	served     int64
	stored     stamp // 0: not known
	lastServed stamp // 0: never
	index      uint32
	length     uint32 // ≤ MaxLength
	bytes      uint32 // occupied on disk; 0 until its file was looked at
	state      state
}

type state uint8

const (
	verified state = 1 << iota // its hash was seen to be right in this epoch
	deleting                   // it is being deleted: nobody may find it any more, but it still occupies its bytes
	unsaved                    // the index does not know its times and its count of bytes served as they are now
	found                      // its file was found; means something only while the store is opened, checked or mended
	indexed                    // it was found in the index; likewise
)

func (e *entry) is(s state) bool { return e.state&s != 0 }

func (e *entry) fragment(h swarm.InfoHash, now stamp) Fragment {
	return Fragment{
		Key: Key{h, e.index}, Bytes: int64(e.bytes), Length: int64(e.length), Value: e.value,
		Stored: e.stored.time(now), LastServed: e.lastServed.time(now), Served: e.served,
	}
}

// swarm is the fragments of one swarm, sorted by index.
type holding struct {
	entries  []entry
	deleting int // how many entries are being deleted
}

// table is what the store holds. It is not safe for concurrent use: Store.mu guards it.
type table struct {
	swarms   map[swarm.InfoHash]*holding
	entries  int
	deleting int
}

func newTable() table {
	return table{swarms: make(map[swarm.InfoHash]*holding)}
}

func (s *holding) search(index uint32) (int, bool) {
	return slices.BinarySearchFunc(s.entries, index, func(e entry, i uint32) int {
		return cmp.Compare(e.index, i)
	})
}

// find returns k's entry, also one that is being deleted, or nil. It is valid until the table changes.
func (t *table) find(k Key) *entry {
	s := t.swarms[k.Hash]
	if s == nil {
		return nil
	}
	i, ok := s.search(k.Index)
	if !ok {
		return nil
	}
	return &s.entries[i]
}

// held is find without the entries that are being deleted.
func (t *table) held(k Key) *entry {
	if e := t.find(k); e != nil && !e.is(deleting) {
		return e
	}
	return nil
}

// insert adds an entry that is not there yet.
func (t *table) insert(h swarm.InfoHash, e entry) {
	s := t.swarms[h]
	if s == nil {
		s = new(holding)
		t.swarms[h] = s
	}
	i, _ := s.search(e.index)
	if cap(s.entries) == 0 {
		s.entries = make([]entry, 0, 4)
	}
	s.entries = slices.Insert(s.entries, i, e)
	t.entries++
}

// each calls fn with every entry, also with those that are being deleted.
func (t *table) each(fn func(h swarm.InfoHash, e *entry)) {
	for h, s := range t.swarms {
		for i := range s.entries {
			fn(h, &s.entries[i])
		}
	}
}

// markDeleting hides k and reports whether it was held.
func (t *table) markDeleting(k Key) bool {
	e := t.held(k)
	if e == nil {
		return false
	}
	e.state |= deleting
	t.swarms[k.Hash].deleting++
	t.deleting++
	return true
}

// unmarkDeleting brings k back after its file could not be deleted.
func (t *table) unmarkDeleting(k Key) {
	e := t.find(k)
	if e == nil || !e.is(deleting) {
		return
	}
	e.state &^= deleting
	t.swarms[k.Hash].deleting--
	t.deleting--
}

// remove drops the given entries of one swarm in one pass, and returns what they occupied. indexes is sorted.
func (t *table) remove(h swarm.InfoHash, indexes []uint32) (bytes int64) {
	s := t.swarms[h]
	if s == nil {
		return 0
	}
	s.entries = slices.DeleteFunc(s.entries, func(e entry) bool {
		if _, listed := slices.BinarySearch(indexes, e.index); !listed {
			return false
		}
		bytes += int64(e.bytes)
		t.entries--
		if e.is(deleting) {
			s.deleting--
			t.deleting--
		}
		return true
	})
	switch {
	case len(s.entries) == 0:
		delete(t.swarms, h)
	case len(s.entries) < cap(s.entries)/4:
		s.entries = slices.Clone(s.entries) // do not keep the memory of what has gone
	}
	return bytes
}

// asBytes fits an occupied size into an entry. A piece cannot occupy 4 GiB on any sane file system.
func asBytes(n int64) uint32 {
	return uint32(min(n, math.MaxUint32))
}
