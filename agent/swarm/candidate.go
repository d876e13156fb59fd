package swarm

import "time"

// Candidate is a swarm that ebb knows of and has not joined, with all that is told of it and by whom.
type Candidate struct {
	Hash        InfoHash `json:"hash"`
	Name        string   `json:"name"`         // for display only, never a path; empty if nobody said
	Length      int64    `json:"length"`       // bytes; 0 is not known
	PieceLength int64    `json:"piece_length"` // bytes; 0 is not known
	Pieces      int      `json:"pieces"`       // 0 is not known
	Health
	Trackers []string `json:"trackers,omitempty"`
	Tags     []string `json:"tags,omitempty"`

	Introducers []Introducer   `json:"introducers"` // whose word the above is comes first
	Heard       time.Time      `json:"heard,omitzero"`
	Verified    time.Time      `json:"verified,omitzero"` // when that word was proven
	State       CandidateState `json:"state"`
	Rule        string         `json:"rule"`             // the consent rule that decided
	Reason      string         `json:"reason,omitempty"` // more on the state: what failed, who refused
}

// CandidateState is how far a candidate has come.
type CandidateState string

// The states of a candidate.
const (
	CandidateHeard    CandidateState = "heard"    // named to us, and not proven
	CandidateVerified CandidateState = "verified" // proven, and the owner's rules let us join
	CandidateWaiting  CandidateState = "waiting"  // proven, and waits for the owner's yes
	CandidateApproved CandidateState = "approved" // proven, and the owner said yes
	CandidateJoined   CandidateState = "joined"   // a background swarm now, and a candidate no more
	CandidateRefused  CandidateState = "refused"  // the owner's rules or the background say no
	CandidateVetoed   CandidateState = "vetoed"   // the owner said never
)

// Introducer returns whose word the candidate is; the zero Introducer if nobody's.
func (c Candidate) Introducer() Introducer {
	if len(c.Introducers) == 0 {
		return Introducer{}
	}
	return c.Introducers[0]
}

// Why is how it would come to be joined.
func (c Candidate) Why() Why { return Why{Rule: c.Rule, Introducer: c.Introducer()} }
