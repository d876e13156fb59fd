package background

import "github.com/anacrolix/torrent/metainfo"

// Status is what a person may see of one background swarm.
type Status struct {
	Hash      metainfo.Hash
	Record    Record
	Fragments int
	Bytes     int64 // of the fragments held
	Peers     int   // connected now
	State     State

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
	default:
		return "waiting for peers"
	}
}

// status describes the swarm. Engine.mu is held.
func (s *swarm) status() Status {
	st := Status{
		Hash: s.hash, Record: s.record, Fragments: s.fragments, Bytes: s.bytes, Peers: s.peers,
		UploadRate: int64(s.up.smooth), DownloadRate: int64(s.down.smooth),
	}
	switch {
	case s.record.Pieces == 0:
		st.State = StateMetadata
	case s.peers == 0:
		st.State = StateDormant
	case s.fetching:
		st.State = StateFetching
	default:
		st.State = StateSharing
	}
	return st
}
