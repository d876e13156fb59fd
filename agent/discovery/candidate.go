package discovery

import "time"

// State is how far a candidate has come.
type State string

// The states of a candidate.
const (
	StateHeard    State = "heard"    // named to us; nobody has shaken hands with us in it yet
	StateVerified State = "verified" // an introducer has, and the policy lets us join
	StateWaiting  State = "waiting"  // verified, and waits for the owner's yes
	StateApproved State = "approved" // verified, and the owner said yes
	StateJoined   State = "joined"   // handed to the background, no longer in the table
	StateRefused  State = "refused"  // the policy or the background engine says no
	StateVetoed   State = "vetoed"   // the owner said never
)

// Candidate is a swarm that we know of and have not joined, with all that
// `ebb why` needs to explain how it came to be known.
type Candidate struct {
	Entry
	Introducers []Introducer `json:"introducers"` // whose word Entry is comes first
	Heard       time.Time    `json:"heard"`
	Verified    time.Time    `json:"verified,omitzero"`
	State       State        `json:"state"`
	Rule        string       `json:"rule"`             // the consent rule that decided
	Reason      string       `json:"reason,omitempty"` // more on the state: what failed, who refused

	// What the owner and the background engine said; Decide reads them.
	OwnerApproved bool `json:"owner_approved,omitempty"`
	OwnerVetoed   bool `json:"owner_vetoed,omitempty"`
	EngineRefused bool `json:"engine_refused,omitempty"`
}

// Introducer returns whose word the candidate is: the introducer that shook
// hands with us in the swarm, or before that the first that named it.
func (c Candidate) Introducer() Introducer {
	if len(c.Introducers) == 0 {
		return Introducer{}
	}
	return c.Introducers[0]
}

// judge sets the state that the policy and the facts make.
func (c *Candidate) judge(p Policy) {
	var decision Decision
	decision, c.Rule = Decide(p, *c)
	switch {
	case c.OwnerVetoed:
		c.State = StateVetoed
	case decision == Refuse:
		c.State = StateRefused
	case c.Verified.IsZero():
		c.State = StateHeard
	case decision == Wait:
		c.State = StateWaiting
	case c.OwnerApproved:
		c.State = StateApproved
	default:
		c.State = StateVerified
	}
}

// ready tells whether the background may join.
func (c *Candidate) ready() bool { return c.State == StateVerified || c.State == StateApproved }
