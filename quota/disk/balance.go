package disk

import (
	"time"

	"ebb/platform"
)

// Usage says how things stand, in bytes.
type Usage struct {
	Allotment int64 // as the owner set it; a share, of what the file system holds
	Limit     int64 // what the background may use just now
	Used      int64 // what it uses: fragments, and incoming ones with their full length
	InFlight  int64 // the part of Used that incoming fragments have
	Promised  int64 // bytes of foreground downloads that are not on disk yet
	DiskFree  int64 // on the file system of the fragments
	DiskTotal int64
	DiskError error // not nil if free space cannot be measured; then nothing is admitted, and nothing reclaimed
	ReadOnly  bool  // the file system of the fragments is; then nothing is admitted, and nothing reclaimed

	Downloads platform.FileSystem // the downloads'; zero if it cannot be measured
	SameDisk  bool                // the downloads' file system is the fragments'

	Writes  int64     // what the background may write per day; negative: as much as it likes
	Written int64     // what it has written today
	Renews  time.Time // when that starts anew
}

// Usage says how things stand.
func (l *Ledger) Usage() Usage {
	d := l.measure()
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.balance(d)
	l.countWritten()
	wall, _ := l.clock()
	inFlight, _ := l.store.InFlight()
	u := Usage{
		Allotment: l.allotment(), Limit: b.grow, Used: b.used, InFlight: inFlight, Promised: d.promised,
		DiskFree: d.fragments.Free, DiskTotal: d.fragments.Total, DiskError: d.err, ReadOnly: d.fragments.ReadOnly,
		SameDisk: !d.apart,
		Writes:   l.limits.Writes, Written: l.budget.Used(), Renews: l.budget.Renews(wall),
	}
	if d.downloadsErr == nil {
		u.Downloads = d.downloads
	}
	return u
}

// balance is the ledger's arithmetic at one moment, in bytes.
type balance struct {
	used    int64 // by the store
	taken   int64 // that, and what is just being admitted
	onDisk  int64 // the part of it that the file system knows of, and would give back
	free    int64 // as measured, and what is still coming back
	limit   int64 // what the background may use
	grow    int64 // what it may grow to, which is less until regrowth is allowed again
	binding cause // what the limit comes from
}

type cause uint8

const (
	allotment cause = iota
	diskFull
	promises
	stale // not known: the promises are too old
)

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

// balance does the sum. Without a measurement it is about the allotment alone. l.mu is held.
func (l *Ledger) balance(d measurement) balance {
	_, unwritten := l.store.InFlight()
	b := balance{used: l.store.Used(), limit: l.allotment()}
	b.taken, b.grow = b.used+l.pending, b.limit
	if d.err != nil {
		return b
	}
	b.onDisk = max(b.used-unwritten, 0)
	b.free = l.returning.free(d)
	room := b.free + b.onDisk - l.limits.KeepFree
	full := diskFull
	if d.promised > 0 && !d.apart {
		room -= d.promised
		full = promises
	}
	if most := max(room, 0); most < b.limit {
		b.limit, b.binding = most, full
	}
	b.grow = l.regrowth.limit(room, b.limit, b.taken)
	return b
}
