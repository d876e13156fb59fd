package background

import (
	"time"

	"ebb/agent/swarm"
)

// Status is what a person may see of one background swarm.
type Status struct {
	Hash      swarm.InfoHash
	Record    Record
	Fragments int
	Bytes     int64 // of the fragments held
	Peers     int   // connected now
	State     State
	Waiting   string // why nothing is fetched or served of it for now, although something could be; else empty

	UploadRate, DownloadRate int64 // bytes per second of fragments, over the last seconds
}

// rate is a speed, smoothed over about five ticks of a second.
type rate struct {
	total  int64
	smooth float64 // bytes per second
}

// measure takes the total as it is one second after the last time.
func (r *rate) measure(total int64) {
	r.smooth += (float64(total-r.total) - r.smooth) / 5
	r.total = total
}

// State is what a background swarm is doing.
type State string

// The states, each with the sentence that explains it.
const (
	StateMetadata State = "metadata" // looking for a peer that tells us what the torrent is
	StateFetching State = "fetching" // taking fragments from its peers
	StateSharing  State = "sharing"  // peers are connected; we hold what we want
	StateDormant  State = "dormant"  // no peer is connected

	StateKeeping   State = "keeping"   // taking pieces from a download that its owner removed
	StatePromoting State = "promoting" // released: being made a download
)

// Sentence explains a state to the owner.
func (s State) Sentence() string {
	switch s {
	case StateMetadata:
		return "looking for a peer that can tell what this torrent contains"
	case StateFetching:
		return "fetching the rarest fragments that its peers have"
	case StateSharing:
		return "holding what we want of it, and ready to serve its peers"
	case StateKeeping:
		return "keeping what fits of your download, the rarest fragments first"
	case StatePromoting:
		return ErrReleased.Error()
	default:
		return "waiting for peers"
	}
}

// status describes a swarm.
func (e *Engine) status(s *membership) Status {
	asleep, spent := e.asleep(), e.budget.isSpent()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life == lifeReleased {
		s.count(e.cfg.Store) // its fragments become part of the download one by one
	}
	st := Status{
		Hash: s.hash, Record: s.current(), Fragments: s.fragments, Bytes: s.bytes, Peers: s.peers,
		State: s.state(), UploadRate: int64(s.up.smooth), DownloadRate: int64(s.down.smooth),
	}
	switch {
	case st.State == StatePromoting || st.State == StateKeeping: // the owner's wishes wait for nothing
	case asleep:
		st.Waiting = waitsForDisk
	case st.State != StateFetching:
	case spent:
		st.Waiting = waitsForBudget
	case time.Now().Before(s.waitingUntil):
		st.Waiting = s.waiting
	}
	return st
}

// state is what the swarm is doing. s.mu is held.
func (s *membership) state() State {
	switch {
	case s.life == lifeReleased:
		return StatePromoting
	case s.record.Pieces == 0:
		return StateMetadata
	case s.life == lifeKeeping:
		return StateKeeping
	case s.peers == 0:
		return StateDormant
	case s.fetching:
		return StateFetching
	default:
		return StateSharing
	}
}
