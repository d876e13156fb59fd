package swarm

// Unknown stands for a number of peers or copies that nobody told us.
const Unknown = -1

// Health is what is known of a swarm's state, from its trackers and peers. Each number is Unknown where it is not.
type Health struct {
	Seeds    int `json:"seeds"`    // peers that hold everything
	Leechers int `json:"leechers"` // peers that still want something
	Copies   int `json:"copies"`   // of the rarest piece among the peers seen
}

// UnknownHealth is that of a swarm of which nobody has said anything.
var UnknownHealth = Health{Seeds: Unknown, Leechers: Unknown, Copies: Unknown}
