package disk

import (
	"errors"
	"fmt"

	"ebb/agent/swarm"
	"ebb/quota"
	"ebb/quota/disk/fragstore"
)

// promise is space on the disk for what is still to come of a download.
type promise struct {
	question[int64]
}

// mostPromised bounds one promise, at 4 PiB, so that thousands of absurd ones can be added up.
const mostPromised = 1 << 52

func (p *promise) bytes() int64 { return min(max(p.latest(), 0), mostPromised) }

// promised adds up the promises, without that of one download.
func (l *Ledger) promised(without *swarm.InfoHash) (sum int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for h, p := range l.promises {
		if without == nil || h != *without {
			sum += p.bytes()
		}
	}
	return sum
}

// refresh asks every download how much is still to come. Those that take too long are taken at their last word.
// It is called without locks.
func (l *Ledger) refresh() {
	l.mu.Lock()
	calls := make([]*call, 0, len(l.promises))
	for _, p := range l.promises {
		calls = append(calls, p.ask())
	}
	l.mu.Unlock()
	for _, c := range calls {
		c.wait()
	}
}

// errGivenUp is what Reserve returns when Withdraw, or another Reserve for the same download, came in its way.
var errGivenUp = errors.New("the reservation was given up meanwhile")

// makingRounds is how often somebody who waited until others had made their room asks the downloads again. The last
// time, the answers may be as old as the wait.
const makingRounds = 3

// Reserve promises a foreground download the space for what is still to come of it, in place of what it was promised
// before. remaining says how many bytes that is. It is called at any time until Withdraw, from any goroutine and without
// the ledger's locks; it may take its time, and must not call the ledger. What it says is followed, down and up, and
// never refused again: what the owner's download has begun, it may finish.
//
// Fragments are reclaimed as far as that takes, if they are on the downloads' file system. The reservation is refused,
// with a *NoSpaceError, only if the space is missing even when every fragment there is gone; keep_free does not count
// against a foreground download. A download that cannot fit in any case costs no fragment, and a refusal leaves what
// was promised before.
func (l *Ledger) Reserve(h swarm.InfoHash, remaining func() int64) (Reclaimed, error) {
	p := &promise{question[int64]{put: remaining}}
	l.mu.Lock()
	l.asking[h] = p
	l.mu.Unlock()
	defer l.decided(h, p)
	for round := 1; ; round++ {
		p.insist()
		l.refresh()
		waited := !l.making.TryLock()
		if waited {
			l.making.Lock()
		}
		keys, err := l.reserve(h, p, waited && round < makingRounds)
		l.making.Unlock()
		if !errors.Is(err, errStale) {
			return Reclaimed{keys, "room for a foreground download"}, err
		}
	}
}

// Withdraw takes a promise back: the download is complete, or gone. The answer to a question that is still open does not
// matter any more.
func (l *Ledger) Withdraw(h swarm.InfoHash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.promises, h)
	delete(l.asking, h)
}

func (l *Ledger) decided(h swarm.InfoHash, p *promise) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking[h] == p {
		delete(l.asking, h)
	}
}

// errStale says that what the downloads said is too old to reclaim or refuse anything.
var errStale = errors.New("the downloads have to be asked again")

// reserve decides on a reservation. stale means that p and the promises may have shrunk since they were asked.
// l.making is held.
func (l *Ledger) reserve(h swarm.InfoHash, p *promise, stale bool) (keys []fragstore.Key, err error) {
	d := l.measureWith(l.promised(&h) + p.bytes())
	switch {
	case d.downloadsErr != nil:
		return nil, fmt.Errorf("reserving %s: measuring free space: %w", quota.Bytes(p.bytes()), d.downloadsErr)
	case d.apart || d.err != nil: // no fragment can help
		err = l.reserveApart(d)
	default:
		var need int64
		if need, err = l.reserveHere(d); need > 0 && err == nil {
			if stale {
				return nil, errStale
			}
			return l.reserveAfter(h, p, need)
		}
	}
	if err != nil && stale {
		return nil, errStale
	}
	if err == nil {
		err = l.promise(h, p)
	}
	return nil, err
}

// reserveApart judges by what is free where the downloads are.
func (l *Ledger) reserveApart(d measurement) error {
	missing := d.promised - d.downloads.Free
	switch {
	case missing <= 0:
		return nil
	case !d.apart:
		return fmt.Errorf("making room for a download: measuring the disk of the fragments: %w", d.err)
	}
	return &NoSpaceError{Missing: missing, Apart: true}
}

// reserveHere returns how much has to be reclaimed, or why that would not help.
func (l *Ledger) reserveHere(d measurement) (need int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.balance(d)
	need = b.taken - b.limit
	switch missing := d.promised - b.free; {
	case missing > b.onDisk:
		return 0, &NoSpaceError{Missing: missing - b.onDisk}
	case !d.fragments.ReadOnly:
		return need, nil
	case missing > 0:
		return 0, fmt.Errorf("making room for a download by deleting fragments: %w", ErrReadOnly)
	}
	return 0, nil // only keep_free or the allotment is not kept, which can wait
}

// reserveAfter makes room and promises it. It is refused only if a disk in trouble keeps files that were to go.
func (l *Ledger) reserveAfter(h swarm.InfoHash, p *promise, need int64) (keys []fragstore.Key, err error) {
	l.mu.Lock()
	old := l.promises[h]
	l.stubborn = stubborn{} // the owner's wish is worth another try
	l.mu.Unlock()
	if err := l.promise(h, p); err != nil { // from now on nobody else gets it
		return nil, err
	}
	var missing int64
	var kept error
	for freed := int64(1); need > 0 && freed > 0; need = missing { // once, unless the disk gives back less than it should
		var more []fragstore.Key
		more, freed, err = l.shrink(need)
		if err != nil {
			kept = err
		}
		keys = append(keys, more...)
		missing = l.missing()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.promises[h] != p {
		return keys, errGivenUp
	}
	if missing <= 0 {
		return keys, nil
	}
	if old != nil {
		l.promises[h] = old
	} else {
		delete(l.promises, h)
	}
	return keys, &NoSpaceError{Missing: missing, Kept: kept}
}

// missing returns how many promised bytes the disk lacks, as far as that can be known.
func (l *Ledger) missing() int64 {
	d := l.measure()
	if d.err != nil {
		return 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return d.promised - l.returning.free(d)
}

// promise makes a promise count, unless it was given up.
func (l *Ledger) promise(h swarm.InfoHash, p *promise) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.asking[h] != p {
		return errGivenUp
	}
	l.promises[h] = p
	return nil
}

// NoSpaceError says that the disk cannot hold a foreground download, even without a single fragment.
type NoSpaceError struct {
	Missing int64 // bytes
	Apart   bool  // the fragments are on another disk
	Kept    error // not nil: why fragments that would have made the room could not be deleted
}

func (e *NoSpaceError) Error() string {
	const advice = "; free some, or choose another foreground.directory"
	missing := "not enough space on the disk for this download: " + quota.Bytes(e.Missing) + " are missing"
	switch {
	case e.Kept != nil:
		return missing + ", because fragments that should make room cannot be deleted (" + e.Kept.Error() + ")" + advice
	case e.Apart:
		return missing + ", and the fragments are on another disk, so deleting them would not help" + advice
	default:
		return missing + ", even with every fragment gone" + advice
	}
}

func (e *NoSpaceError) Unwrap() error { return e.Kept }
