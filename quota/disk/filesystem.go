package disk

import (
	"errors"
	"time"

	"ebb/platform"
)

// ErrReadOnly says that nothing can be written or deleted where the fragments are.
var ErrReadOnly = errors.New("the file system is read-only")

// mostFree bounds what a file system may claim, at 1 EiB, so that it can be added to.
const mostFree = 1 << 60

// bounded keeps within mostFree what a file system claims.
func bounded(f platform.FileSystem) platform.FileSystem {
	f.Free, f.Total = min(max(f.Free, 0), mostFree), min(max(f.Total, 0), mostFree)
	return f
}

// measurement is one look at the file systems, and at the promises just before it: bytes of a download that land in
// between count twice, as promised and as not free any more, and never not at all.
type measurement struct {
	fragments    platform.FileSystem
	err          error // why it could not be measured
	downloads    platform.FileSystem
	downloadsErr error
	apart        bool  // they are different ones: what is promised to downloads takes nothing from the fragments
	promised     int64 // to all downloads
	at           time.Time
}

// measured is a measurement of one file system, or why there is none.
type measured struct {
	platform.FileSystem
	err error
}

// measure looks at the promises and asks the file systems. It is called without Ledger.mu: a sick disk may take
// long to answer. The fragments' disk is waited for. The downloads' is not waited for longer than askTime, because
// it may be another one.
func (l *Ledger) measure() measurement { return l.measureWith(l.promised(nil)) }

// measureWith is measure for a sum of promises that the caller took.
func (l *Ledger) measureWith(promised int64) measurement {
	d := measurement{promised: promised}
	d.fragments, d.err = l.fragments()
	d.fragments = bounded(d.fragments)
	d.downloads, d.downloadsErr = d.fragments, d.err
	if l.downloads != nil {
		if !l.downloads.ask().wait() {
			d.downloadsErr = errNoAnswer
		} else {
			m := l.downloads.latest()
			d.downloads, d.downloadsErr = bounded(m.FileSystem), m.err
		}
	}
	d.at = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if d.err == nil {
		l.total = d.fragments.Total
	}
	if d.err == nil && d.downloadsErr == nil { // mounts come and go
		l.apart = d.fragments.ID != d.downloads.ID
	}
	d.apart = l.apart
	return d
}

// settleTime is how long space may take to come back after a deletion: btrfs and ZFS give it back when they commit,
// which they do at least every 30 s.
const settleTime = 35 * time.Second

// returning is space that was freed and that the file system does not show yet. Counting it keeps the ledger from
// reclaiming again and again for space that is on its way. On a file system that shows freed space at once, what is
// missing was written by others meanwhile and does not come back, so it learns which kind of file system this is.
type returning struct {
	on     string    // the file system's ID
	prompt int       // -unsure..sure; above 0, freed space shows at once
	bytes  int64     // still missing right after the deletion
	level  int64     // what should be free when all is back
	until  time.Time // it is not waited for longer
}

// A deletion of which something shows at once weighs as much as two of which nothing does: others can hide freed space
// by writing as fast as it is freed, but can hardly make freed space appear. So even if they write most of the time, it
// is not forgotten that the file system was seen to be prompt in quieter times.
const (
	unsure = 8
	sure   = 64
)

// expect compares the disk before and after freed bytes were deleted.
func (r *returning) expect(before, after measurement, freed int64) {
	if before.err != nil || after.err != nil || freed <= 0 || before.fragments.ID != after.fragments.ID {
		return
	}
	if r.on != after.fragments.ID {
		*r = returning{on: after.fragments.ID}
	}
	switch shown := after.fragments.Free - before.fragments.Free; {
	case shown >= freed/4:
		r.prompt = min(r.prompt+2, sure)
	case shown <= 0:
		r.prompt = max(r.prompt-1, -unsure)
	}
	free := r.free(before)
	missing := min(free+freed-after.fragments.Free, r.missing(before)+freed)
	if missing <= 0 || r.prompt > 0 {
		r.bytes = 0
		return
	}
	r.bytes, r.level, r.until = missing, free+freed, after.at.Add(settleTime)
}

func (r *returning) missing(d measurement) int64 {
	if d.at.After(r.until) || d.fragments.ID != r.on {
		return 0
	}
	return r.bytes
}

// free returns what is free in a measurement, and what is still on its way. What others write meanwhile is noticed: it
// lowers the measurement, and the addition never lifts it above the level that was expected.
func (r *returning) free(d measurement) int64 {
	return max(d.fragments.Free, min(d.fragments.Free+r.missing(d), r.level))
}
