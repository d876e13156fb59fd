package feeds

import (
	"cmp"
	"container/heap"
	"slices"
)

// maxOffered is how many swarms of one document are offered. Twice as many as an introducer may have us in for nothing:
// some are refused.
const maxOffered = 128

// needy keeps the neediest of the items that it is given, and forgets the rest.
type needy struct {
	kept  worstFirst
	known map[string]bool // what is kept, by key
	left  bool            // out because others were needier
}

// key tells items apart.
func (i Item) key() string {
	if i.Hash.IsZero() {
		return i.Torrent
	}
	return string(i.Hash[:])
}

func (n *needy) add(i Item) {
	if n.known == nil {
		n.known = make(map[string]bool)
	}
	if i.Seeds == 0 && i.Leechers == 0 || n.known[i.key()] { // nobody is there; or it was named already
		return
	}
	n.known[i.key()] = true
	heap.Push(&n.kept, i)
	if len(n.kept) > maxOffered {
		n.left = true
		delete(n.known, heap.Pop(&n.kept).(Item).key())
	}
}

// sorted lists what was kept, the neediest first.
func (n *needy) sorted() []Item {
	return slices.SortedStableFunc(slices.Values(n.kept), compareNeed)
}

// compareNeed orders items by how much their swarms seem to need help, most first: those with the fewest seeds but some
// (an unknown number counts as one, as in choose.Need), then those without any, whose fragments may be nowhere; of equal
// ones those for which more wait, then the latest.
func compareNeed(a, b Item) int {
	seeds := func(i Item) int {
		switch {
		case i.Seeds == 0:
			return maxCount + 1
		case i.Seeds < 0:
			return 1
		}
		return i.Seeds
	}
	return cmp.Or(
		cmp.Compare(seeds(a), seeds(b)), cmp.Compare(b.Leechers, a.Leechers), b.Dated.Compare(a.Dated), cmp.Compare(a.key(), b.key()),
	)
}

// worstFirst is a heap whose first item is the least needy.
type worstFirst []Item

func (w worstFirst) Len() int           { return len(w) }
func (w worstFirst) Less(i, j int) bool { return compareNeed(w[i], w[j]) > 0 }
func (w worstFirst) Swap(i, j int)      { w[i], w[j] = w[j], w[i] }
func (w *worstFirst) Push(x any)        { *w = append(*w, x.(Item)) }
func (w *worstFirst) Pop() any {
	last := len(*w) - 1
	x := (*w)[last]
	*w = (*w)[:last]
	return x
}
