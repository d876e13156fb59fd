package quota

import "time"

// disk is one measurement of the file system, in bytes.
type disk struct {
	free, total int64
	err         error
	at          time.Time
}

// mostFree bounds what a file system may claim, at 1 EiB, so that it can be added to.
const mostFree = 1 << 60

// measure asks the file system. It is called without locks: a sick disk may take long to answer.
func (l *Ledger) measure() disk {
	free, total, err := l.disk()
	free = min(free, mostFree)
	return disk{free: free, total: total, err: err, at: time.Now()}
}

// settleTime is how long space may take to come back after a deletion: btrfs and ZFS give it back when they commit,
// which they do at least every 30 s.
const settleTime = 35 * time.Second

// returning is space that was freed and that the file system does not show yet. Counting it keeps the ledger from
// reclaiming again and again for space that is on its way.
type returning struct {
	bytes int64     // still missing right after the deletion
	level int64     // what should be free when all is back
	until time.Time // it is not waited for longer
}

// expect compares the disk before and after freed bytes were deleted. Most file systems show them at once.
func (r *returning) expect(before, after disk, freed int64) {
	if before.err != nil || after.err != nil {
		return
	}
	free := r.free(before)
	missing := min(free+freed-after.free, r.missing(before)+freed)
	if missing <= 0 {
		*r = returning{}
		return
	}
	*r = returning{bytes: missing, level: free + freed, until: after.at.Add(settleTime)}
}

func (r *returning) missing(d disk) int64 {
	if d.at.After(r.until) {
		return 0
	}
	return r.bytes
}

// free returns what is free in a measurement, and what is still on its way. What others write meanwhile is noticed: it
// lowers the measurement, and the addition never lifts it above the level that was expected.
func (r *returning) free(d disk) int64 {
	return max(d.free, min(d.free+r.missing(d), r.level))
}
