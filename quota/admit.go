package quota

import (
	"errors"
	"fmt"

	"ebb/quota/fragstore"
)

// Admit begins to receive a fragment, if there is room for all of it, or if room can be made by reclaiming fragments of
// clearly lower value. The room stays taken until the Writer is committed or aborted. Errors: ErrNoRoom, and those
// of fragstore.Store.Create. The store's Used is never taken above the limit.
func (l *Ledger) Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, error) {
	w, err := l.admitFree(k, length, sum)
	if errors.Is(err, ErrNoRoom) {
		var keys []fragstore.Key
		w, keys, err = l.admitBetter(k, length, sum, value)
		if len(keys) > 0 {
			l.reclaimed(keys, "room for a fragment that is needed more")
		}
	}
	if err != nil {
		return nil, fmt.Errorf("admitting fragment %s: %w", k, err)
	}
	w.SetValue(value)
	return w, nil
}

// admitFree admits a fragment if there is room for it.
func (l *Ledger) admitFree(k fragstore.Key, length int64, sum [20]byte) (*fragstore.Writer, error) {
	l.making.RLock()
	defer l.making.RUnlock()
	if l.store.Has(k) { // before anything is reclaimed for it
		return nil, fragstore.ErrHeld
	}
	charge := l.store.Charge(length)
	need, err := l.take(charge)
	if err != nil {
		return nil, err
	}
	if need > 0 {
		return nil, ErrNoRoom
	}
	defer l.untake(charge) // when the store counts it, or has refused it
	return l.store.Create(k, length, sum)
}

// take takes room if it is there, or else returns how much is needed.
func (l *Ledger) take(charge int64) (need int64, err error) {
	d := l.measure()
	if d.err != nil {
		return 0, fmt.Errorf("measuring free space: %w", d.err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	need = l.over(l.balance(d), charge)
	if need <= 0 {
		l.pending += charge
	}
	return need, nil
}

func (l *Ledger) untake(charge int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= charge
}

// admitBetter admits a fragment after reclaiming what is worth clearly less. It returns what was reclaimed.
func (l *Ledger) admitBetter(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, []fragstore.Key, error) {
	l.making.Lock()
	defer l.making.Unlock() // nobody takes the room before the store counts it
	charge := l.store.Charge(length)
	need, err := l.take(charge)
	if err != nil {
		return nil, nil, err
	}
	var keys []fragstore.Key
	if need > 0 {
		if keys, err = l.reclaimBelow(value, need); err != nil {
			return nil, keys, err
		}
	} else {
		defer l.untake(charge)
	}
	w, err := l.store.Create(k, length, sum)
	return w, keys, err
}

// reclaimBelow reclaims fragments of clearly lower value than the given one: enough of them, or none. l.making is held.
func (l *Ledger) reclaimBelow(value float64, need int64) ([]fragstore.Key, error) {
	victims, bytes := chooseVictims(clearlyBelow(l.store.Fragments(), value), need)
	if bytes < need {
		return nil, fmt.Errorf("%w: %d bytes are missing", ErrNoRoom, need-bytes)
	}
	keys, freed, err := l.delete(l.measure(), victims)
	if err != nil {
		return keys, fmt.Errorf("%w: making it: %w", ErrNoRoom, err)
	}
	if freed < need { // somebody else deleted some of them first: they had counted, and do not any more
		return keys, fmt.Errorf("%w: %d bytes are missing", ErrNoRoom, need-freed)
	}
	return keys, nil
}

// delete deletes fragments and watches the space come back. It returns the keys of those that are gone.
func (l *Ledger) delete(d disk, victims []fragstore.Fragment) (gone []fragstore.Key, freed int64, err error) {
	if len(victims) == 0 {
		return nil, 0, nil
	}
	keys := make([]fragstore.Key, len(victims))
	for i, f := range victims {
		keys[i] = f.Key
	}
	freed, err = l.store.Delete(keys...)
	after := l.measure()
	l.mu.Lock()
	l.returning.expect(d, after, freed)
	l.mu.Unlock()
	if err == nil {
		return keys, freed, nil
	}
	for _, k := range keys {
		if !l.store.Has(k) {
			gone = append(gone, k)
		}
	}
	return gone, freed, err
}
