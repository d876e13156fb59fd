package quota

import (
	"fmt"

	"ebb/quota/fragstore"
)

// Admit begins to receive a fragment, if there is room for all of it, or if room can be made by reclaiming fragments of
// clearly lower value. The room stays taken until the Writer is committed or aborted. Errors: ErrNoRoom, and those
// of fragstore.Store.Create. The store's Used is never taken above the limit.
func (l *Ledger) Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, error) {
	if l.store.Has(k) { // before anything is reclaimed for it
		return nil, fmt.Errorf("admitting fragment %s: %w", k, fragstore.ErrHeld)
	}
	charge := l.store.Charge(length)
	if err := l.take(charge, value); err != nil {
		return nil, fmt.Errorf("admitting fragment %s: %w", k, err)
	}
	w, err := l.store.Create(k, length, sum) // from here on the store counts it, too
	l.untake(charge)
	if err != nil {
		return nil, err
	}
	w.SetValue(value)
	return w, nil
}

// take takes room, and makes it first if need be.
func (l *Ledger) take(charge int64, value float64) error {
	d := l.measure()
	if d.err != nil {
		return fmt.Errorf("measuring free space: %w", d.err)
	}
	if l.takeFree(d, charge) {
		return nil
	}
	l.making.Lock()
	keys, err := l.takeBetter(charge, value)
	l.making.Unlock()
	if len(keys) > 0 {
		l.reclaimed(keys, "room for a fragment that is needed more")
	}
	return err
}

// takeFree takes room that is there.
func (l *Ledger) takeFree(d disk, charge int64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over(l.balance(d), charge) > 0 {
		return false
	}
	l.pending += charge
	return true
}

func (l *Ledger) untake(charge int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= charge
}

// takeBetter takes room that it makes by reclaiming what is worth clearly less. l.making is held.
func (l *Ledger) takeBetter(charge int64, value float64) ([]fragstore.Key, error) {
	d := l.measure()
	if d.err != nil {
		return nil, fmt.Errorf("measuring free space: %w", d.err)
	}
	// It is taken before it is there, so that nobody else takes what is being made.
	l.mu.Lock()
	need := l.over(l.balance(d), charge)
	l.pending += charge
	l.mu.Unlock()

	victims, bytes := chooseVictims(clearlyBelow(l.store.Fragments(), value), need)
	if bytes < need {
		l.untake(charge)
		return nil, fmt.Errorf("%w: %d bytes are missing", ErrNoRoom, need-bytes)
	}
	keys, freed, err := l.delete(d, victims)
	if freed < need {
		l.untake(charge)
		if err != nil {
			return keys, fmt.Errorf("%w: making it: %w", ErrNoRoom, err)
		}
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
