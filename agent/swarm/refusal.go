package swarm

import "time"

// Refusal is why we do not help a swarm that was named to us, found out when we were in it, or were about to be.
type Refusal struct {
	Cause  Cause  `json:"cause"`
	Text   string `json:"text"`             // for the owner
	Length int64  `json:"length,omitempty"` // bytes, as its metadata says; 0 is not known
}

// Cause is the kind of a refusal. It decides for how long it holds.
type Cause string

// The causes of a refusal.
const (
	CausePrivate  Cause = "private"  // a private torrent (BEP 27): for ever
	CauseUnusable Cause = "unusable" // its metadata is nothing that anybody could help: for ever
	CauseSize     Cause = "size"     // larger than the owner allows: for as long as that is so
	CauseSilent   Cause = "silent"   // nobody there had its metadata: for a time
	CauseOther    Cause = "other"    // the device or the disk spoke against it: while ebb runs, and the candidate is known
)

// silentLasts is how long a swarm in which there was nothing is left alone. Its peers may have been away for a weekend.
const silentLasts = 7 * 24 * time.Hour

// Kept reports whether the refusal outlasts the candidate, and a restart.
func (r Refusal) Kept() bool { return r.Cause != CauseOther }

// Holds reports whether a refusal of that age still holds; fits says whether the owner allows swarms of that Length now.
func (r Refusal) Holds(age time.Duration, fits bool) bool {
	switch r.Cause {
	case CauseSize:
		return !fits
	case CauseSilent:
		return age < silentLasts
	}
	return true
}
