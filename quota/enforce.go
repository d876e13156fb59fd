package quota

import (
	"cmp"
	"slices"

	"ebb/quota/fragstore"
)

// Enforce checks once. If the background occupies more than it may, incoming fragments are given up and then fragments
// reclaimed, lowest value first, until it is a little below the limit. It returns how many bytes were freed.
func (l *Ledger) Enforce() (freed int64) {
	l.making.Lock()
	keys, freed, why := l.enforce()
	l.making.Unlock()
	if len(keys) > 0 {
		l.reclaimed(keys, why)
	}
	return freed
}

func (l *Ledger) enforce() (keys []fragstore.Key, freed int64, why string) {
	d := l.measure()
	l.mu.Lock()
	b := l.balance(d)
	over := l.over(b, 0)
	l.mu.Unlock()
	if over <= 0 {
		return nil, 0, ""
	}
	need := over + min(b.limit/slackShare, slackMost)
	keys, freed = l.shrink(need)
	return keys, freed, b.binding.String()
}

func (c cause) String() string {
	switch c {
	case promises:
		return "foreground downloads need the space"
	case diskFull:
		return "the disk is filling up"
	default:
		return "the storage allotment is smaller than what was held"
	}
}

// shrink frees need bytes, or all that there is: first what is still being received, then fragments. l.making is held.
// An error has been logged by the store, and shows in how little was freed; the next check tries again.
func (l *Ledger) shrink(need int64) (keys []fragstore.Key, freed int64) {
	freed = l.abort(need, false)
	keys, more := l.reclaim(need - freed)
	freed += more
	if freed >= need {
		return keys, freed
	}
	// What was just being committed is waited for only now. Then it is a fragment, or gone.
	freed += l.abort(need-freed, true)
	last, more := l.reclaim(need - freed)
	return append(keys, last...), freed + more
}

// reclaim deletes fragments, lowest value first, until need bytes are free or none is left.
func (l *Ledger) reclaim(need int64) (keys []fragstore.Key, freed int64) {
	victims, _ := chooseVictims(l.store.Fragments(), need)
	keys, freed, _ = l.delete(l.measure(), victims)
	return keys, freed
}

// abort gives up incoming fragments that are being committed, or those that are not, lowest value first, until need
// bytes are free or none is left.
func (l *Ledger) abort(need int64, committing bool) (freed int64) {
	type incoming struct {
		*fragstore.Writer
		value float64
	}
	var all []incoming
	for _, w := range l.store.Incoming() {
		if w.Committing() == committing {
			all = append(all, incoming{w, w.Value()})
		}
	}
	slices.SortFunc(all, func(a, b incoming) int { return cmp.Compare(a.value, b.value) })
	for _, w := range all {
		if freed >= need {
			break
		}
		if w.Abort() {
			freed += w.Charge()
		}
	}
	return freed
}
