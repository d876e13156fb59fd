package disk

import (
	"errors"
	"fmt"
	"time"

	"ebb/quota"
	"ebb/quota/disk/fragstore"
)

// ErrNoRoom says that the background may not use as much as the fragment would take.
var ErrNoRoom = errors.New("no room within the storage allotment")

// Room reports whether Admit would find room for a fragment, now and beside expected bytes more, as nil or the error that
// Admit would return. It takes no room and reclaims nothing: it is for asking a peer, and Admit for what the peer sends.
func (l *Ledger) Room(k fragstore.Key, length int64, value float64, expected int64) error {
	if err := l.unavailable(); err != nil {
		return fmt.Errorf("room for fragment %s: %w", k, err)
	}
	if err := l.room(newcomer{Key: k, length: length, value: value}, expected); err != nil {
		return fmt.Errorf("room for fragment %s: %w", k, err)
	}
	return nil
}

func (l *Ledger) room(n newcomer, expected int64) error {
	if l.store.Has(n.Key) {
		return fragstore.ErrHeld
	}
	need, _, err := l.lack(n, expected, false)
	if err != nil || need <= 0 {
		return err
	}
	_, err = l.victimsBelow(n.value, need)
	return err
}

// Admit begins to receive a fragment, if there is room for all of it, or if room can be made by reclaiming fragments of
// clearly lower value, which it returns, with an error too. The room stays taken until the Writer is committed or
// aborted. Errors: what Unavailable says, ErrReadOnly, ErrBudget, ErrNoRoom, and those of fragstore.Store.Create. The
// store's Used is never taken above the limit.
func (l *Ledger) Admit(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, Reclaimed, error) {
	if err := l.unavailable(); err != nil {
		return nil, Reclaimed{}, fmt.Errorf("admitting fragment %s: %w", k, err)
	}
	return l.admit(newcomer{k, length, sum, value, false})
}

// AdmitAsked is Admit for a fragment that the owner asked for: neither Unavailable nor the write budget keeps it
// waiting. What it writes counts all the same.
func (l *Ledger) AdmitAsked(k fragstore.Key, length int64, sum [20]byte, value float64) (*fragstore.Writer, Reclaimed, error) {
	return l.admit(newcomer{k, length, sum, value, true})
}

// newcomer is a fragment that is to be received.
type newcomer struct {
	fragstore.Key
	length int64
	sum    [20]byte
	value  float64
	asked  bool // by the owner
}

func (l *Ledger) admit(n newcomer) (*fragstore.Writer, Reclaimed, error) {
	var reclaimed Reclaimed
	w, full, err := l.admitFree(n)
	if errors.Is(err, ErrNoRoom) {
		if full == promises {
			l.refresh() // what has landed since the last check must not count twice, and cost a fragment
		}
		reclaimed.Why = "room for a fragment that is needed more"
		w, reclaimed.Keys, err = l.admitBetter(n)
	}
	if err != nil {
		return nil, reclaimed, fmt.Errorf("admitting fragment %s: %w", n.Key, err)
	}
	w.SetValue(n.value)
	return w, reclaimed, nil
}

// admitFree admits a fragment if there is room for it. If not, it says what the limit comes from.
func (l *Ledger) admitFree(n newcomer) (*fragstore.Writer, cause, error) {
	l.making.RLock()
	defer l.making.RUnlock()
	if l.store.Has(n.Key) { // before anything is reclaimed for it
		return nil, 0, fragstore.ErrHeld
	}
	need, full, err := l.lack(n, 0, true)
	if err != nil {
		return nil, 0, err
	}
	if need > 0 {
		return nil, full, ErrNoRoom
	}
	defer l.untake(n) // when the store counts it, or has refused it
	w, err := l.store.Create(n.Key, n.length, n.sum)
	return w, 0, err
}

// lack returns how much room is missing for the newcomer beside expected bytes more, and what the limit comes from. If
// none is missing and take is set, the room is the newcomer's until untake.
func (l *Ledger) lack(n newcomer, expected int64, take bool) (need int64, full cause, err error) {
	charge := l.store.Charge(n.length)
	d := l.measure()
	if d.err != nil {
		return 0, 0, fmt.Errorf("measuring free space: %w", d.err)
	}
	if d.fragments.ReadOnly {
		return 0, 0, ErrReadOnly
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !n.asked {
		if err := l.afford(n.length, expected); err != nil {
			return 0, 0, err
		}
	}
	b := l.balance(d)
	need = b.taken + expected + charge - b.grow
	if held, _ := l.store.Stats(); held >= l.most {
		need = max(need, 1) // one that is held has to go
	}
	if take && need <= 0 {
		l.pending += charge
	}
	return need, b.binding, nil
}

func (l *Ledger) untake(n newcomer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending -= l.store.Charge(n.length)
}

// admitBetter admits a fragment after reclaiming what is worth clearly less. It returns what was reclaimed.
func (l *Ledger) admitBetter(n newcomer) (*fragstore.Writer, []fragstore.Key, error) {
	l.making.Lock()
	defer l.making.Unlock() // nobody takes the room before the store counts it
	need, _, err := l.lack(n, 0, true)
	if err != nil {
		return nil, nil, err
	}
	var keys []fragstore.Key
	if need > 0 {
		if keys, err = l.reclaimBelow(n.value, need); err != nil {
			return nil, keys, err
		}
	} else {
		defer l.untake(n)
	}
	w, err := l.store.Create(n.Key, n.length, n.sum)
	return w, keys, err
}

// reclaimBelow reclaims fragments of clearly lower value than the given one: enough of them, or none. l.making is held.
func (l *Ledger) reclaimBelow(value float64, need int64) ([]fragstore.Key, error) {
	victims, err := l.victimsBelow(value, need)
	if err != nil {
		return nil, err
	}
	keys, freed, err := l.delete(victims)
	if err != nil {
		return keys, fmt.Errorf("%w: making it: %w", ErrNoRoom, err)
	}
	if freed < need { // somebody else deleted some of them first: they had counted, and do not any more
		return keys, fmt.Errorf("%w: %s are missing", ErrNoRoom, quota.Bytes(need-freed))
	}
	return keys, nil
}

// victimsBelow returns enough fragments of clearly lower value than the given one, or ErrNoRoom.
func (l *Ledger) victimsBelow(value float64, need int64) ([]fragstore.Fragment, error) {
	l.mu.Lock()
	resting := l.stubborn.resting(time.Now())
	l.mu.Unlock()
	if resting {
		return nil, fmt.Errorf("%w: nothing can be deleted on this disk", ErrNoRoom)
	}
	victims, bytes := chooseVictims(clearlyBelow(l.movable(), value), need)
	if bytes < need {
		return nil, fmt.Errorf("%w: %s are missing", ErrNoRoom, quota.Bytes(need-bytes))
	}
	return victims, nil
}
