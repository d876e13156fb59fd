package disk

import (
	"bytes"
	"cmp"
	"container/heap"
	"iter"
	"slices"
	"time"

	"ebb/quota/disk/fragstore"
)

// ChooseVictims returns the fragments to reclaim so that at least need bytes come free: lowest value first, of equal
// ones the longest unused (last served, or stored if never served), then the least served, and no more than it takes.
// If all together are not enough, it returns all. The order of fragments does not matter.
func ChooseVictims(fragments []fragstore.Fragment, need int64) []fragstore.Fragment {
	victims, _ := chooseVictims(slices.Values(fragments), need)
	return victims
}

// chooseVictims goes through the fragments once and remembers only the victims so far: a store may have hundreds of
// thousands of fragments, and mostly a few must go.
func chooseVictims(fragments iter.Seq[fragstore.Fragment], need int64) (victims []fragstore.Fragment, bytes int64) {
	if need <= 0 {
		return nil, 0
	}
	var h victimHeap
	for f := range fragments {
		if bytes >= need && !before(f, h[0]) {
			continue
		}
		heap.Push(&h, f)
		bytes += f.Bytes
		for bytes-h[0].Bytes >= need {
			bytes -= heap.Pop(&h).(fragstore.Fragment).Bytes
		}
	}
	slices.SortFunc(h, order)
	return h, bytes
}

// order sorts those that go first to the front. Its last two criteria only make it definite.
func order(a, b fragstore.Fragment) int {
	return cmp.Or(
		cmp.Compare(a.Value, b.Value),
		used(a).Compare(used(b)),
		cmp.Compare(a.Served, b.Served),
		bytes.Compare(a.Hash[:], b.Hash[:]),
		cmp.Compare(a.Index, b.Index),
	)
}

// used returns when a fragment was last of use. To have been fetched lately counts as well: it was wanted then, and
// nobody has had the time yet to ask for it.
func used(f fragstore.Fragment) time.Time {
	if f.LastServed.IsZero() {
		return f.Stored
	}
	return f.LastServed
}

func before(a, b fragstore.Fragment) bool { return order(a, b) < 0 }

// victimHeap has on top the victim that is first to be spared.
type victimHeap []fragstore.Fragment

func (h victimHeap) Len() int           { return len(h) }
func (h victimHeap) Less(i, j int) bool { return before(h[j], h[i]) }
func (h victimHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *victimHeap) Push(x any)        { *h = append(*h, x.(fragstore.Fragment)) }

func (h *victimHeap) Pop() any {
	last := len(*h) - 1
	f := (*h)[last]
	*h = (*h)[:last]
	return f
}

// clearlyBelow leaves only the fragments that one of the given value may replace.
func clearlyBelow(fragments iter.Seq[fragstore.Fragment], value float64) iter.Seq[fragstore.Fragment] {
	return func(yield func(fragstore.Fragment) bool) {
		for f := range fragments {
			if f.Value*betterBy < value && !yield(f) {
				return
			}
		}
	}
}
