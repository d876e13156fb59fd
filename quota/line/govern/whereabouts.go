package govern

// Facts are the evidence of whether the household's traffic passes through this machine.
type Facts struct {
	Forwarding bool   // the kernel forwards packets of others
	LANs       int    // networks with a socket or a radio, other than the one that leads to the internet
	Forwarded  uint64 // packets that were forwarded since the machine was started
	Received   uint64 // packets that arrived
}

// whereabouts finds out whether the household's traffic passes through this machine.
type whereabouts struct {
	seen   bool // the interface was there at the last sample
	router bool // this machine is the router, as far as is known
}

const (
	// A machine that could be the router is taken for it when forwardedEnough packets have been forwarded, and
	// forwardedShare of those that arrived. It is so little because hardware that speeds up flows lets us see only the
	// first packets of each; but containers have their packets forwarded, too.
	forwardedEnough = 1000
	forwardedShare  = 0.001
)

// onRouter reports whether the rates of the interface are those of the whole household.
func (w *whereabouts) onRouter(s Surroundings) bool {
	f := s.Facts
	w.seen = s.Seen
	if f != (Facts{}) { // else they are not known, and what they were last still counts
		w.router = f.Forwarding && f.LANs > 0 &&
			f.Forwarded >= forwardedEnough && float64(f.Forwarded) >= forwardedShare*float64(f.Received)
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
