package disk

import (
	"cmp"
	"slices"
	"time"

	"ebb/quota/disk/fragstore"
)

// Enforce checks once. If the background occupies more than it may, incoming fragments are given up and then fragments
// reclaimed, lowest value first, until it is a little below the limit. It returns these, and how many bytes were freed in all.
func (l *Ledger) Enforce() (reclaimed Reclaimed, freed int64) {
	for round := 1; ; round++ {
		l.refresh()
		waited := !l.making.TryLock()
		if waited {
			l.making.Lock()
		}
		keys, freed, why := l.enforce(waited && round < makingRounds)
		l.making.Unlock()
		if why != stale {
			return Reclaimed{keys, why.String()}, freed
		}
	}
}

// enforce checks once. late means that the promises may have shrunk since they were asked; if they are the reason to
// reclaim anything, it does nothing and says that it is stale. l.making is held.
func (l *Ledger) enforce(late bool) (keys []fragstore.Key, freed int64, why cause) {
	d := l.measure()
	l.mu.Lock()
	b := l.balance(d)
	resting := l.stubborn.resting(time.Now())
	l.mu.Unlock()
	over := b.taken - b.limit
	switch {
	case d.err != nil || d.fragments.ReadOnly || resting || over <= 0:
		return nil, 0, b.binding
	case late && b.binding == promises:
		return nil, 0, stale
	}
	keys, freed, _ = l.shrink(over + slack(b.limit))
	if b.binding != allotment {
		l.mu.Lock()
		l.regrowth.stop(b.limit, l.store.Used()+l.pending)
		l.mu.Unlock()
	}
	return keys, freed, b.binding
}

// shrink frees need bytes, or all that there is: first what is still being received, then fragments. l.making is held.
// The error, which the store has logged, is that fragments could not be deleted.
func (l *Ledger) shrink(need int64) (keys []fragstore.Key, freed int64, err error) {
	freed = l.abort(need, false)
	keys, more, err := l.reclaim(need - freed)
	freed += more
	if freed >= need || err != nil && more == 0 {
		return keys, freed, err
	}
	// What was just being committed is waited for only now. Then it is a fragment, or gone.
	freed += l.abort(need-freed, true)
	last, more, err := l.reclaim(need - freed)
	return append(keys, last...), freed + more, err
}

// reclaim deletes fragments, lowest value first, until need bytes are free or none is left.
func (l *Ledger) reclaim(need int64) (keys []fragstore.Key, freed int64, err error) {
	victims, _ := chooseVictims(l.movable(), need)
	return l.delete(victims)
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

// delete deletes fragments and watches the space come back. It returns the keys of those that are gone.
func (l *Ledger) delete(victims []fragstore.Fragment) (gone []fragstore.Key, freed int64, err error) {
	if len(victims) == 0 {
		return nil, 0, nil
	}
	keys := make([]fragstore.Key, len(victims))
	for i, f := range victims {
		keys[i] = f.Key
	}
	before := l.measure()
	freed, err = l.store.Delete(keys...)
	after := l.measure()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.returning.expect(before, after, freed)
	if err == nil {
		l.stubborn.yielded()
		return keys, freed, nil
	}
	var kept []fragstore.Key
	for _, k := range keys {
		if l.store.Has(k) {
			kept = append(kept, k)
		} else {
			gone = append(gone, k)
		}
	}
	l.stubborn.note(time.Now(), kept, freed)
	return gone, freed, err
}
