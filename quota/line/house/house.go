package house

import (
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"ebb/quota/line/govern"
)

// House is a cell at work.
type House struct {
	Cell
	Decisions []Decided

	now      int64
	plan     schedule
	up, down pipe
	ours     []*sender
	flows    []*sender // of the household, like those of the cell
	random   *rand.Rand
	stands   int64 // the machine stands still until then

	turn    []*sender // that want to write
	waits   bool      // an event is scheduled
	opening bool
	gate    govern.Pacer
	control govern.Controller
	limits  govern.Decision
	last    counts
	wire    float64 // of ours that was sent up, bytes on the wire
	hop     hop
	looks   []look
}

// Decided is what the governor decided, and what was ours until then.
type Decided struct {
	At       float64 // seconds
	Own, Got float64 // bytes per second on the wire, towards the line and at the peers
	Queue    float64 // ms that the line's queues took
	govern.Decision
}

type counts struct {
	at             int64
	sent, received float64
	wanUp, wanDown float64
	got            float64
}

type look struct{ at, delay float64 }

const (
	// block is what a leecher asks for at a time, with its header.
	block = 16<<10 + 13
	// turnTime is for how long a connection goes on with a block, before it is another one's turn.
	turnTime = 50 * time.Millisecond
)

// New builds a house.
func New(c Cell) *House {
	h := &House{Cell: c, random: rand.New(rand.NewPCG(c.Seed, 1))}
	pipeOf := func(rate float64) pipe {
		return pipe{rate: rate, buffer: rate * c.Buffer.Seconds(), medium: c.Medium, grain: int64(c.Grain), burst: c.Burst}
	}
	h.up, h.down = pipeOf(c.Up), pipeOf(c.Down)
	if c.Medium != Serial {
		h.down.medium = Serial
	}
	grain := func(rate float64) float64 { return max(1, math.Round(rate*.001/full)) * payload }
	for i, p := range c.Peers {
		s := &sender{
			id: uint64(i + 1), ours: true, up: true, control: c.Control, mss: grain(c.Up), trip: int64(c.Trip + p.Trip),
			jitter: int64(c.Jitter + p.Jitter), late: int64(p.Late), lazy: int64(p.Lazy), early: p.Early,
		}
		if p.Rate > 0 {
			s.far = &pipe{rate: p.Rate, buffer: p.Rate * p.Buffer.Seconds()}
		}
		s.start(0)
		s.learn(float64(s.trip)/second+h.random.Float64()*float64(s.jitter)/second, 1)
		h.ours = append(h.ours, s)
		h.want(s)
	}
	for _, f := range c.Flows {
		rate := c.Up
		if f.Down {
			rate = c.Down
		}
		s := &sender{up: !f.Down, control: f.Control, mss: grain(rate), rate: f.Rate, trip: int64(c.Trip), jitter: int64(c.Jitter), late: int64(40 * time.Millisecond)}
		h.flows = append(h.flows, s)
		h.plan.add(event{at: int64(f.From), kind: atFlow, of: s})
		h.plan.add(event{at: int64(f.To), kind: atFlow, of: s})
	}
	h.hop.trip = int64(c.Trip) / 3
	h.plan.add(event{at: int64(govern.Tick), kind: atTick})
	h.plan.add(event{kind: atLook})
	if c.Stalls > 0 {
		h.plan.add(event{at: int64(c.Stalls), kind: atStall})
	}
	return h
}

// Run lets time pass until so many seconds after the beginning.
func (h *House) Run(until float64) *House {
	end := int64(until * second)
	for len(h.plan) > 0 && h.plan[0].at <= end {
		e := h.plan.pop()
		h.now = e.at
		if e.at < h.stands && (e.kind == atTick || e.kind == atGate || e.kind == atAck && e.of.ours) {
			e.at = h.stands
			h.plan.add(e)
			continue
		}
		h.happen(e)
	}
	h.now = end
	return h
}

func (h *House) happen(e event) {
	s := e.of
	switch e.kind {
	case atTick:
		h.tick()
		// A timer's next tick is where it belongs, however late this one was.
		next := (h.now/int64(govern.Tick) + 1) * int64(govern.Tick)
		h.plan.add(event{at: next, kind: atTick})
	case atGate:
		h.waits = false
		h.open()
	case atPeer:
		h.arrive(s, e.bulk)
	case atDelack:
		if e.gen == s.gen && s.pending.size > 0 {
			h.acknowledge(s)
		}
	case atAckLine:
		p := &h.down
		if !s.up {
			p = &h.up
		}
		if at, ok := p.add(h.now, ackSize*max(math.Round(e.bulk.segments/2), 1)); ok {
			h.plan.add(event{at: at, kind: atAck, of: s, bulk: e.bulk})
		} else { // the next one says the same
			h.plan.add(event{at: h.now + int64(h.Buffer), kind: atAckLine, of: s, bulk: e.bulk})
		}
	case atAck:
		s.ack(h.now, e.bulk)
		h.push(s)
		if s.ours {
			h.want(s)
		}
	case atLoss:
		s.lose(h.now, e.bulk)
		h.push(s)
	case atPace:
		s.pacing = false
		h.push(s)
	case atFlow:
		if s.on {
			s.on = false
		} else {
			s.start(h.now)
			s.unsent = math.Inf(1)
			h.push(s)
		}
	case atStall:
		h.stands = h.now + int64(50*time.Millisecond)
		h.plan.add(event{at: h.now + int64(float64(h.Stalls)*(.5+h.random.Float64())), kind: atStall})
	case atLook:
		at := float64(h.now) / second
		if h.At > 0 && h.now >= int64(h.At) && h.up.rate == h.Up && h.Change > 0 {
			h.up.change(h.now, h.Up*h.Change)
			h.down.change(h.now, h.Down*h.Change)
		}
		h.looks = append(h.looks, look{at, float64(h.up.waits(h.now)+h.down.waits(h.now)) / 1e6})
		h.plan.add(event{at: h.now + int64((1+2*h.random.Float64())*5e6), kind: atLook})
	}
}

// push sends what a sender may send.
func (h *House) push(s *sender) {
	if !s.on {
		return
	}
	if h.now < s.rests {
		if !s.pacing {
			s.pacing = true
			h.plan.add(event{at: s.rests, kind: atPace, of: s})
		}
		return
	}
	for s.unsent > 0 && (s.control == Paced || s.inflight+min(s.mss, s.unsent) <= max(s.cwnd, s.mss)) {
		if s.control != Cubic { // it is paced
			if s.pacing {
				return
			}
			rate := s.rate
			if s.control == BBR {
				rate = s.bbr.pace(s)
			}
			s.pacing = true
			h.plan.add(event{at: h.now + int64(min(s.mss, s.unsent)/rate*second), kind: atPace, of: s})
		}
		h.send(s, min(s.mss, s.unsent))
	}
}

// send sends a segment, or what travels as one.
func (h *House) send(s *sender, size float64) {
	segments := math.Ceil(size / payload)
	if s.inflight <= 0 {
		s.deliveredAt = h.now // nothing was on its way: the rate is measured from now on
	}
	b := bulk{size: size, segments: segments, sent: h.now, delivered: s.acked, when: s.deliveredAt}
	s.unsent -= size
	s.inflight += size
	s.sent += size
	s.segsOut += segments
	wire := size + segments*(full-payload)
	p := &h.down
	if s.up {
		p = &h.up
	}
	if s.ours {
		h.wire += wire
	}
	at, ok := p.add(h.now, wire)
	if s.early { // somebody acknowledges, and sees to it that it arrives
		h.plan.add(event{at: h.now + int64(2*time.Millisecond), kind: atAck, of: s, bulk: b})
		if ok {
			s.got += wire
		}
		return
	}
	if !ok {
		h.lost(s, b)
		return
	}
	at += s.trip/2 + h.upTo(s.jitter)
	at = max(at, s.arrives)
	if s.far != nil {
		if at, ok = s.far.add(at, wire); !ok {
			h.lost(s, b)
			return
		}
	}
	s.arrives = at
	h.plan.add(event{at: at, kind: atPeer, of: s, bulk: b})
}

// tardy is how late a timer is: programs wait for a processor, too.
func (h *House) tardy() int64 {
	if h.random.IntN(4) == 0 {
		return h.upTo(int64(2 * time.Millisecond))
	}
	return h.upTo(int64(time.Millisecond))
}

func (h *House) upTo(most int64) int64 {
	if most <= 0 {
		return 0
	}
	return h.random.Int64N(most + 1)
}

// lost lets a sender notice a loss when what came after it is acknowledged.
func (h *House) lost(s *sender, b bulk) {
	h.plan.add(event{at: h.now + int64(max(s.srtt*second, float64(s.trip))), kind: atLoss, of: s, bulk: b})
}

// arrive is where a segment arrives.
func (h *House) arrive(s *sender, b bulk) {
	s.got += b.size + b.segments*(full-payload)
	if s.control == Paced {
		s.inflight = 0
		return
	}
	if s.pending.size > 0 && b.segments > 1 {
		h.acknowledge(s) // together with the first of these; the others are on time
	}
	size := s.pending.size
	if size == 0 {
		s.pending = b
	} else { // the kernel takes the round trip of the oldest segment that is acknowledged, the rate of the newest
		s.pending.size += b.size
		s.pending.segments += b.segments
		s.pending.delivered, s.pending.when = b.delivered, b.when
	}
	if float64(h.now-s.heard) > .2*second+s.srtt*second {
		s.quick = quickly
	}
	s.heard = h.now
	s.quick = max(s.quick-1, 0)
	if s.pending.size > payload || s.quick > 0 { // more than a full segment (RFC 9293 §3.8.6.3)
		h.acknowledge(s)
	} else if size == 0 {
		h.plan.add(event{at: h.now + s.late, kind: atDelack, gen: s.gen, of: s})
	}
}

func (h *House) acknowledge(s *sender) {
	at := h.now + s.trip/2 + h.upTo(s.jitter) + h.upTo(s.lazy)
	s.ackComes = max(s.ackComes, at)
	h.plan.add(event{at: s.ackComes, kind: atAckLine, of: s, bulk: s.pending})
	s.pending = bulk{}
	s.gen++
}

// want queues for the gate's turn, if the kernel takes more.
func (h *House) want(s *sender) {
	if s.wants || !s.takes() {
		return
	}
	if s.block <= 0 {
		s.block, s.turn = block, h.now
	}
	s.wants = true
	h.turn = append(h.turn, s)
	h.open()
}

// open grants what may be granted now.
func (h *House) open() {
	if h.opening {
		return
	}
	h.opening = true
	defer func() { h.opening = false }()
	for len(h.turn) > 0 {
		s := h.turn[0]
		n, wait, ever := h.gate.Draw(time.Duration(h.now), int(s.block))
		if n == 0 {
			if ever && !h.waits { // timers are late
				h.waits = true
				h.plan.add(event{at: h.now + int64(wait) + h.tardy(), kind: atGate})
			}
			return
		}
		h.turn = h.turn[1:]
		s.wants = false
		if h.Odd && s.block == block {
			h.send(s, 13)
		}
		s.block -= float64(n)
		s.unsent += float64(n)
		h.push(s)
		if s.block > 0 && h.now-s.turn < int64(turnTime) && s.takes() { // it goes on
			s.wants = true
			h.turn = append(h.turn, nil)
			copy(h.turn[1:], h.turn)
			h.turn[0] = s
			continue
		}
		s.turn = h.now
		h.want(s)
	}
}

// hop is the first one beyond the line.
type hop struct {
	trip  int64
	asked int64
	least int64
	took  int64 // by how much longer the newest answer took
	sent  int64 // when its question was; 0: there is none
	next  struct{ sent, rtt int64 }
}

// probe asks once a second.
func (h *House) probe(around *govern.Surroundings) {
	if h.Hop == Silent {
		return
	}
	p := &h.hop
	if p.next.sent > 0 && h.now >= p.next.sent+p.next.rtt {
		if p.least == 0 || p.next.rtt < p.least {
			p.least = p.next.rtt
		}
		p.took, p.sent, p.next.sent = p.next.rtt-p.least, p.next.sent, 0
	}
	if h.now >= p.asked+second && p.next.sent == 0 {
		rtt := p.trip + h.upTo(int64(h.Jitter)) + int64(time.Millisecond)
		if h.Hop == Late {
			rtt += h.upTo(int64(30 * time.Millisecond))
		}
		if h.Hop == InFront {
			rtt = int64(time.Millisecond)
		} else {
			rtt += h.up.waits(h.now) + h.down.waits(h.now)
		}
		p.asked, p.next.sent, p.next.rtt = h.now, h.now, rtt
	}
	if p.sent > 0 {
		around.Probe, around.ProbeAge, around.ProbeHop, around.Probed = time.Duration(p.took), time.Duration(h.now-p.sent), beyond, true
	}
}

var beyond = netip.MustParseAddr("203.0.113.1")

// tick lets the governor decide.
func (h *House) tick() {
	now := counts{at: h.now, sent: h.wire, wanUp: h.up.passed, wanDown: h.down.passed}
	if !h.Modem {
		now.wanUp -= h.up.queued(h.now)
	}
	sample := govern.Sample{
		Allotted: govern.Allotment{Up: govern.Auto, Down: 0, Monthly: govern.Uncapped},
		Around:   govern.Surroundings{Interface: "wan", Seen: h.Router},
		Wire:     govern.Wire{Overhead: govern.Rates{Up: full / payload, Down: full / payload}},
	}
	if h.Router {
		sample.Around.Facts = govern.Facts{Forwarding: true, LANs: 1, Forwarded: 1e6, Received: 1e7}
	}
	switch h.Told {
	case Nothing:
		sample.Around.Learned = govern.Rates{Up: 5 * MBit, Down: 20 * MBit}
	default:
		sample.Around.Line = govern.Rates{Up: h.Cell.Up * float64(h.Told), Down: h.Cell.Down * float64(h.Told)}
	}
	for _, s := range h.ours {
		h.tell(&sample.Wire, s)
		now.got += s.got
		now.received += s.acks * ackSize
	}
	over := float64(now.at-h.last.at) / second
	sample.DT = time.Duration(now.at - h.last.at)
	sample.Own = govern.Rates{Up: (now.sent - h.last.sent) / over, Down: (now.received - h.last.received) / over}
	sample.Wire.Up, sample.Wire.Down = now.sent-h.last.sent, now.received-h.last.received
	sample.Around.WAN = govern.Rates{Up: max(now.wanUp-h.last.wanUp, 0) / over, Down: (now.wanDown - h.last.wanDown) / over}
	h.probe(&sample.Around)
	h.limits = h.control.Decide(sample)
	h.Decisions = append(h.Decisions, Decided{
		At: float64(h.now) / second, Own: sample.Own.Up, Got: (now.got - h.last.got) / over, Decision: h.limits,
		Queue: float64(h.up.waits(h.now)+h.down.waits(h.now)) / 1e6,
	})
	h.last = now
	h.gate.Set(time.Duration(h.now), float64(h.limits.Up))
	h.open()
}

// tell is what the kernel tells of a connection, as the watcher passes it on.
func (h *House) tell(w *govern.Wire, s *sender) {
	acked, sent, acks, rtt := s.acked-s.seenAcked, s.sent-s.seenOut, s.acks-s.seenAcks, s.seenRTT
	s.seenAcked, s.seenOut, s.seenAcks, s.seenRTT = s.acked, s.sent, s.acks, s.srtt
	if acked == 0 && sent == 0 {
		return
	}
	w.Acked += acked
	way := govern.Way{ID: s.id, Bytes: sent, Least: time.Duration(s.least * second), Vary: time.Duration(s.vary * second)}
	if acked > 0 && rtt > 0 {
		left := math.Pow(7.0/8, acks)
		way.Acks = acks
		way.Trip, way.Measured = time.Duration(max((s.srtt-rtt*left)/(1-left), 0)*second), true
	}
	w.Ways = append(w.Ways, way)
}

// Used is the part of a rate that reached the peers' ends of the line between two times, in bytes per second.
func (h *House) Used(from, to float64) float64 {
	var sum, over float64
	before := 0.0
	for _, d := range h.Decisions {
		if d.At > from && d.At <= to {
			sum += d.Got * (d.At - before)
			over += d.At - before
		}
		before = d.At
	}
	return sum / max(over, 1e-9)
}

// Ping is a quantile of the time for which packets wait in the line's queues between two times, in ms.
func (h *House) Ping(quantile, from, to float64) float64 {
	var delays []float64
	for _, l := range h.looks {
		if l.at >= from && l.at < to {
			delays = append(delays, l.delay)
		}
	}
	if len(delays) == 0 {
		return 0
	}
	slices.Sort(delays)
	return delays[int(quantile*float64(len(delays)-1))]
}

// Got is what a flow of the household has got until now, bytes on the wire.
func (h *House) Got(flow int) float64 { return h.flows[flow].got }

// When is how long after a time it takes until the background's rate is below a bound, or at least that.
func (h *House) When(from float64, below bool, bound float64) float64 {
	for _, d := range h.Decisions {
		if d.At > from && (d.Own < bound) == below {
			return d.At - from
		}
	}
	return math.Inf(1)
}
