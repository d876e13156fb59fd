package govern

// Facts are what tells whether the household's traffic passes through this machine.
type Facts struct {
	Forwarding bool   // the kernel forwards packets of others
	LANs       int    // networks with a socket or a radio, other than the one that leads to the internet
	Forwarded  uint64 // packets that were forwarded since the machine was started
	Received   uint64 // packets that arrived
}

// whereabouts finds out whether the household's traffic passes through this machine.
type whereabouts struct {
	seen   bool // the interface was, at the last sample
	router bool
	judged bool
}

const (
	// forwardedEnough is how many packets must have been forwarded before a machine that could be the router is taken for
	// it, and forwardedShare the part of those that arrived: containers also have their packets forwarded, and hardware
	// that speeds up flows lets us see only the first packets of each.
	forwardedEnough = 1000
	forwardedShare  = 0.001
)

// look returns whether the rates of the sample are those of the whole household.
func (w *whereabouts) look(s Surroundings) bool {
	f := s.Facts
	w.seen = s.Seen
	w.judged = w.judged || f != Facts{}
	if f != (Facts{}) {
		w.router = f.Forwarding && f.LANs > 0 && f.Forwarded >= forwardedEnough && float64(f.Forwarded) >= forwardedShare*float64(f.Received)
	}
	return w.router && w.seen
}

func (w *whereabouts) String() string {
	switch {
	case w.router && w.seen:
		return "on the router: what the household uses shows in the counters of the line's interface"
	case w.router:
		return "on the router, but the interface to the internet is not there: only the line's queue tells"
	default:
		return "behind the router: only the line's queue tells"
	}
}
