package house

import "math"

// Control is how a sender finds its rate.
type Control int

const (
	Cubic Control = iota // RFC 9438
	BBR                  // as version 1: the most that was delivered lately, tried again in cycles of eight
	Paced                // UDP at a fixed rate
)

const (
	payload = 1448.0 // of a full segment
	full    = 1514.0 // the same on the wire
	ackSize = 66.0
	never   = math.MaxInt64
	quickly = 16 // Linux acknowledges so many segments at once at the beginning, and after a pause
)

// sender is one that sends through the line, and the way to its receiver.
type sender struct {
	id      uint64
	ours    bool
	up      bool
	control Control
	on      bool
	mss     float64 // payload of what travels as one
	wants   bool    // it has queued for the gate's turn
	rate    float64 // of Paced, payload bytes per second

	// The way beyond the line.
	trip   int64 // both ways, without any queue
	jitter int64 // at most, each way
	far    *pipe // the receiver's own line; nil: as fast as anything
	late   int64 // how long the receiver waits for a second segment
	lazy   int64 // by how much, at most, it acknowledges late
	early  bool  // somebody in front of the queue acknowledges

	unsent, inflight   float64
	turn               int64   // when its turn began
	block              float64 // what is left of the block that is being written
	cwnd, ssthresh     float64
	wmax               float64
	rests              int64 // it sends nothing until then
	lost               int64 // when the window was cut last
	srtt, least, vary  float64
	sent, acked        float64 // payload; sent counts again what was sent again
	segsOut, acks      float64
	got                float64 // payload that arrived
	arrives, ackComes  int64   // when the last segment and acknowledgement arrive
	quick              int     // of how many more segments the receiver acknowledges each
	heard              int64   // when it got one last
	pending            bulk    // has arrived and is not acknowledged
	gen                uint32
	deliveredAt        int64
	seenAcked, seenOut float64
	seenRTT, seenAcks  float64
	bbr                bbr
	pacing             bool // an event is scheduled
}

func (s *sender) start(now int64) {
	*s = sender{
		id: s.id, ours: s.ours, up: s.up, control: s.control, on: true, mss: s.mss, rate: s.rate, trip: s.trip,
		jitter: s.jitter, far: s.far, late: s.late, lazy: s.lazy, early: s.early,
		sent: s.sent, acked: s.acked, got: s.got, arrives: s.arrives, ackComes: s.ackComes, gen: s.gen + 1,
		cwnd: 10 * payload, ssthresh: math.Inf(1), lost: now, deliveredAt: now, wants: s.wants, pacing: s.pacing, quick: quickly,
	}
	s.cwnd = max(s.cwnd, 2*s.mss)
}

// lowWater is how much may wait in the kernel unsent before it takes no more (TCP_NOTSENT_LOWAT).
const lowWater = 16 << 10

// takes reports whether the kernel takes more.
func (s *sender) takes() bool {
	return s.unsent < max(lowWater, s.mss) && s.unsent+s.inflight < max(32<<10, 1.5*s.cwnd, 2*s.mss)
}

// learn takes a round trip, in seconds, as RFC 6298 has it.
func (s *sender) learn(rtt, acks float64) {
	if s.least == 0 || rtt < s.least {
		s.least = rtt
	}
	if s.srtt == 0 {
		s.srtt, s.vary = rtt, rtt/2
		return
	}
	s.vary += (math.Abs(rtt-s.srtt) - s.vary) * (1 - math.Pow(3.0/4, acks))
	s.srtt += (rtt - s.srtt) * (1 - math.Pow(7.0/8, acks))
}

// ack takes an acknowledgement.
func (s *sender) ack(now int64, b bulk) {
	acks := max(math.Round(b.segments/2), 1)
	s.learn(float64(now-b.sent)/second, acks)
	limited := s.unsent < s.mss && s.ours // it was not the window that held it back
	s.inflight = max(s.inflight-b.size, 0)
	s.acked += b.size
	s.acks += acks
	s.deliveredAt = now
	if s.control == BBR {
		s.bbr.ack(s, now, b, limited)
		return
	}
	if limited && s.inflight+b.size < s.cwnd/2 {
		return
	}
	if s.cwnd < s.ssthresh {
		s.cwnd += b.size
		return
	}
	k := math.Cbrt(s.wmax / payload * 0.3 / 0.4)
	t := float64(now-s.lost) / second
	cubic := (0.4*math.Pow(t-k, 3) + s.wmax/payload) * payload
	reno := (s.wmax/payload*0.7 + 0.53*t/max(s.srtt, .001)) * payload
	if target := min(max(cubic, reno), 1.5*s.cwnd); target > s.cwnd {
		s.cwnd += (target - s.cwnd) * b.size / s.cwnd
	}
}

// lose notices that something is lost, which is sent again.
func (s *sender) lose(now int64, b bulk) {
	s.inflight = max(s.inflight-b.size, 0)
	if s.control != Paced {
		s.unsent += b.size
	}
	if s.control == Cubic && s.cwnd <= 2*s.mss { // nothing is left to tell but a timer
		s.rests = now + int64(max(.2, 2*s.srtt)*second)
	}
	if s.control == Cubic && float64(now-s.lost) > s.srtt*second {
		s.wmax, s.lost = s.cwnd, now
		s.cwnd = max(0.7*s.cwnd, 2*s.mss)
		s.ssthresh = s.cwnd
	}
}

// bbr is the state of BBR.
type bbr struct {
	rates   [10]float64 // the most of each of the last rounds
	round   int
	ends    float64 // what has been delivered at the end of this round
	full    float64
	stuck   int
	filled  bool // it has found the rate
	drained bool
	phase   int
	phaseAt int64
	probeAt int64 // when the least round trip was last looked for
	probing bool
}

func (b *bbr) bandwidth() float64 {
	most := 0.0
	for _, r := range b.rates {
		most = max(most, r)
	}
	return most
}

func (b *bbr) ack(s *sender, now int64, a bulk, limited bool) {
	if took := float64(now-a.when) / second; took > 0 {
		if rate := (s.acked - a.delivered) / took; !limited || rate > b.bandwidth() {
			i := b.round % len(b.rates)
			b.rates[i] = max(b.rates[i], rate)
		}
	}
	if a.delivered >= b.ends { // a round is over
		b.ends = s.acked
		b.round++
		b.rates[b.round%len(b.rates)] = 0
		if !b.filled && !limited {
			if bw := b.bandwidth(); bw > 1.25*b.full {
				b.full, b.stuck = bw, 0
			} else if b.stuck++; b.stuck >= 3 {
				b.filled = true
			}
		}
	}
	if b.probeAt == 0 {
		b.probeAt = now
	}
	bdp := b.bandwidth() * s.least
	if b.filled && !b.drained && s.inflight <= bdp {
		b.drained, b.phaseAt = true, now
	}
	if b.drained && float64(now-b.phaseAt) > s.least*second {
		b.phase, b.phaseAt = (b.phase+1)%8, now
	}
	switch since := now - b.probeAt; {
	case since > 10*second && !b.probing:
		b.probing = true
	case since > 10*second+int64(.2*second+s.least*second):
		b.probing, b.probeAt = false, now
	}
	switch {
	case b.probing:
		s.cwnd = max(4*payload, s.mss)
	case !b.filled:
		s.cwnd = max(2.89*bdp, s.cwnd, 10*payload)
	default:
		s.cwnd = max(2*bdp, 4*payload, 2*s.mss)
	}
}

// pace is the rate at which it sends, in bytes per second.
func (b *bbr) pace(s *sender) float64 {
	bw := b.bandwidth()
	if bw == 0 {
		return 10 * payload / max(s.srtt, float64(s.trip)/second, .001) * 2.89
	}
	switch {
	case !b.filled:
		return 2.89 * bw
	case !b.drained:
		return bw / 2.89
	case b.phase == 0:
		return 1.25 * bw
	case b.phase == 1:
		return .75 * bw
	}
	return bw
}
