package house

// kind is what happens at an event.
type kind uint8

const (
	atTick    kind = iota // the governor decides
	atGate                // the gate may have room for a grant
	atPeer                // a segment arrives at its receiver
	atDelack              // a receiver has waited long enough for a second segment
	atAckLine             // an acknowledgement arrives at the line
	atAck                 // an acknowledgement arrives at its sender
	atLoss                // a sender notices that a segment is lost
	atPace                // a paced sender may send
	atFlow                // a flow of the household starts or ends
	atStall               // the machine stands still
	atLook                // the queues are looked at
)

// event is something that happens at a time, in nanoseconds.
type event struct {
	at   int64
	kind kind
	gen  uint32 // atDelack: of which segment
	of   *sender
	bulk bulk
}

// bulk is what travels: a segment, or what is acknowledged at once.
type bulk struct {
	size      float64 // bytes of payload
	segments  float64
	sent      int64   // when its newest segment left
	delivered float64 // what had been delivered when it left, and when that was
	when      int64
}

// schedule is a heap, earliest first.
type schedule []event

func (s *schedule) add(e event) {
	h := append(*s, e)
	i := len(h) - 1
	for i > 0 {
		up := (i - 1) / 4
		if h[up].at <= e.at {
			break
		}
		h[i] = h[up]
		i = up
	}
	h[i] = e
	*s = h
}

func (s *schedule) pop() event {
	h := *s
	first, last := h[0], h[len(h)-1]
	h = h[:len(h)-1]
	*s = h
	if len(h) == 0 {
		return first
	}
	i := 0
	for {
		least, at := -1, last.at
		for c := 4*i + 1; c < min(4*i+5, len(h)); c++ {
			if h[c].at < at {
				least, at = c, h[c].at
			}
		}
		if least < 0 {
			break
		}
		h[i] = h[least]
		i = least
	}
	h[i] = last
	return first
}
