package govern

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// house is a fluid model of a household and its line: rates instead of packets. Both directions have a buffer that is
// served in order. Rates in bytes per second, times in seconds.
//
//	background ──┐                       background ──┐
//	flows ───────┴── buffer ── line up   flows ───────┴── buffer ── line down
type house struct {
	now       float64
	up, down  pipe
	flows     []*flow
	back      [2]*flow // the background's, up and down
	noise     *rand.Rand
	atModem   bool // the queue is in the modem: the interface counts what arrives there
	router    bool
	line      Rates // as told
	learned   Rates
	allotted  Allotment
	fore      Rates // what the foreground says that it uses
	foreIs    *flow // the foreground: its rate is told, as a mean of 2 s
	foreRate  float64
	bias      float64 // seconds that every round trip is measured too long
	jitter    float64
	far       func(now float64) float64 // seconds that all of our peers' own queues add to a round trip
	probe     *prober                   // nil: nobody probes
	blind     bool                      // the interface is away
	lumps     int                       // the interface counts every so many ticks only
	control   Controller
	decided   Decision
	ticks     int
	lumped    Rates
	pings     []sighting
	decisions []decided
}

type sighting struct{ at, delay float64 }

type decided struct {
	at  float64
	own Rates // sent by the background before
	was Decision
}

// pipe is one direction.
type pipe struct {
	rate, buffer float64 // buffer in bytes
	queued       float64
	in, out      float64 // since the last tick
	delays       [64]float64
	n            int
}

const (
	step     = 0.002
	baseTrip = 0.020
	mss      = 1448.0
	megabit  = 1e6 / 8
)

// flow is a sender.
type flow struct {
	up       bool
	from, to float64 // when it has something to send
	cap      float64 // most it sends; 0: as much as it gets
	elastic  bool    // TCP: cubic (RFC 9438)
	amount   float64 // bytes, for a flow that ends; 0: no end
	every    float64 // for bursts: a new amount so often
	cwnd     float64
	ssthresh float64
	wmax     float64
	lost     float64
	sent     float64 // bytes, in all
	got      float64 // bytes that arrived in all
	waiting  float64 // bytes in the buffer
	left     float64
	began    float64
	tickSent float64
}

func newHouse(up, down float64) *house {
	h := &house{
		up:   pipe{rate: up, buffer: up / 2},
		down: pipe{rate: down, buffer: down / 2},
		line: Rates{up, down}, allotted: Allotment{Up: Auto, Down: 0, Monthly: Uncapped},
		noise: rand.New(rand.NewPCG(1, 2)), jitter: 0.003, router: true,
	}
	h.back[0] = &flow{up: true, to: math.Inf(1), elastic: true}
	h.back[1] = &flow{to: math.Inf(1), elastic: true}
	return h
}

func (h *house) pipe(f *flow) *pipe {
	if f.up {
		return &h.up
	}
	return &h.down
}

func (h *house) trip() float64 { return baseTrip + h.up.queued/h.up.rate + h.down.queued/h.down.rate }

// run lets time pass.
func (h *house) run(seconds float64) {
	for end := h.now + seconds; h.now < end-step/2; h.now += step {
		if h.ticks == 0 || h.now >= float64(h.ticks)*Tick.Seconds() {
			h.tick()
		}
		h.back[0].cap, h.back[1].cap = float64(h.decided.Up)*GuessedOverhead, float64(h.decided.Down)*GuessedOverhead
		h.flow()
	}
}

// flow moves what there is.
func (h *house) flow() {
	trip := h.trip()
	all := append([]*flow{h.back[0], h.back[1]}, h.flows...)
	for _, f := range all {
		f.offer(h, trip)
	}
	for _, p := range []*pipe{&h.up, &h.down} {
		over := p.queued - p.buffer
		served := min(p.queued, p.rate*step)
		for _, f := range all {
			if h.pipe(f) != p || p.queued <= 0 {
				continue
			}
			part := f.waiting / p.queued
			if over > 0 && part > 0 {
				f.waiting -= over * part
				f.lose(h.now, trip)
			}
			f.got += served * part
			f.waiting = max(f.waiting-served*part, 0)
		}
		p.queued = 0
		for _, f := range all {
			if h.pipe(f) == p {
				p.queued += f.waiting
			}
		}
		p.out += served
		p.delays[p.n%len(p.delays)] = p.queued / p.rate
		p.n++
	}
	h.pings = append(h.pings, sighting{h.now, trip - baseTrip})
}

func (f *flow) offer(h *house, trip float64) {
	if h.now < f.from || h.now >= f.to || f == h.back[0] && f.cap == 0 || f == h.back[1] && f.cap == 0 {
		f.cwnd = 0
		return
	}
	if f.amount > 0 {
		if f.left <= 0 && h.now >= f.began {
			f.left, f.began, f.cwnd = f.amount, h.now+f.every, 0
		}
		if f.left <= 0 {
			return
		}
	}
	rate := f.cap
	if f.elastic {
		if f.cwnd == 0 {
			f.cwnd, f.ssthresh, f.lost, f.wmax = 10*mss, math.Inf(1), h.now, 0
		}
		rate = f.cwnd / trip
		limited := f.cap > 0 && f.cap < rate
		if limited {
			rate = f.cap
		}
		switch {
		case limited && f.cwnd > 2*f.cap*trip: // not used, so not grown
		case f.cwnd < f.ssthresh:
			f.cwnd += rate * step
		default:
			k := math.Cbrt(f.wmax / mss * 0.3 / 0.4)
			t := h.now - f.lost
			cubic := (0.4*math.Pow(t-k, 3) + f.wmax/mss) * mss
			reno := (f.wmax/mss*0.7 + 0.53*t/trip) * mss
			f.cwnd = max(f.cwnd, min(max(cubic, reno), f.cwnd*1.05))
		}
	}
	n := rate * step
	if f.amount > 0 {
		n = min(n, f.left)
		f.left -= n
	}
	p := h.pipe(f)
	f.sent += n
	f.tickSent += n
	f.waiting += n
	p.queued += n
	p.in += n
}

func (f *flow) lose(now, trip float64) {
	if !f.elastic || now-f.lost < trip {
		return
	}
	f.wmax, f.lost = f.cwnd, now
	f.cwnd *= 0.7
	f.ssthresh = f.cwnd
}

// prober asks a hop beyond the line once a second.
type prober struct {
	every    float64
	blind    bool // the hop is in front of the queue
	asked    float64
	pending  float64 // the round trip of the question that is on its way
	answered bool
	newest   sighting
}

func (p *prober) sense(h *house, around *Surroundings) {
	if p.asked > 0 && !p.answered && h.now >= p.asked+p.pending {
		p.answered, p.newest = true, sighting{p.asked, p.pending - baseTrip}
	}
	if h.now >= p.asked+p.every {
		p.asked, p.pending, p.answered = h.now, h.trip()+h.noise.Float64()*h.jitter, false
		if p.blind {
			p.pending = baseTrip
		}
	}
	if p.newest.at > 0 {
		around.Probe, around.ProbeAge = time.Duration(p.newest.delay*1e9), time.Duration((h.now-p.newest.at)*1e9)
		around.ProbeHop, around.Probed = beyond, true
	}
}

// tick asks the controller.
func (h *house) tick() {
	dt := Tick.Seconds()
	h.ticks++
	wan := Rates{h.up.out / dt, h.down.out / dt}
	if h.atModem {
		wan = Rates{h.up.in / dt, h.down.in / dt}
	}
	if h.foreIs != nil {
		h.foreRate += (h.foreIs.tickSent/dt/GuessedOverhead - h.foreRate) * dt / 2
		h.foreIs.tickSent = 0
		h.fore.Up = h.foreRate
	}
	h.up.in, h.up.out, h.down.in, h.down.out = 0, 0, 0, 0
	own := Rates{h.back[0].tickSent / dt, h.back[1].tickSent / dt}
	sent := h.back[0].tickSent + h.back[1].tickSent
	h.back[0].tickSent, h.back[1].tickSent = 0, 0
	if h.lumps > 0 {
		h.lumped.Up, h.lumped.Down = h.lumped.Up+wan.Up, h.lumped.Down+wan.Down
		wan = Rates{}
		if h.ticks%h.lumps == 0 {
			wan, h.lumped = h.lumped, Rates{}
		}
	}
	// A round trip that is measured now began in the queue of a while ago; the mean is over a tick.
	delay := h.up.mean() + h.down.mean() + h.bias + h.noise.Float64()*h.jitter
	if h.far != nil {
		delay += h.far(h.now)
	}
	s := Sample{
		DT: Tick, Allotted: h.allotted, Own: own,
		Wire: Wire{Overhead: Rates{GuessedOverhead, GuessedOverhead}, Known: sent >= mss/8, Delay: time.Duration(delay * 1e9)},
		Around: Surroundings{
			Seen: h.router && !h.blind, WAN: wan, Line: h.line, Learned: h.learned, Foreground: h.fore,
		},
	}
	if h.router {
		s.Around.Facts = Facts{Forwarding: true, LANs: 1, Forwarded: 1e6, Received: 1e7}
	}
	if h.probe != nil {
		h.probe.sense(h, &s.Around)
	}
	h.decided = h.control.Decide(s)
	h.decisions = append(h.decisions, decided{h.now, own, h.decided})
}

// mean is the mean delay of a quarter of a second, or what was measured of it.
func (p *pipe) mean() float64 {
	n := min(p.n, len(p.delays))
	if n == 0 {
		return 0
	}
	var sum float64
	for _, d := range p.delays[:n] {
		sum += d
	}
	return sum / float64(n)
}

// ping95 is the 95th percentile of the queueing delay between two times, in ms.
func (h *house) ping95(from, to float64) float64 {
	var delays []float64
	for _, p := range h.pings {
		if p.at >= from && p.at < to {
			delays = append(delays, p.delay)
		}
	}
	if len(delays) == 0 {
		return 0
	}
	slices.Sort(delays)
	return delays[len(delays)*95/100] * 1000
}

// used is the mean of what the background sent up between two times.
func (h *house) used(from, to float64) float64 {
	var sum float64
	n := 0
	for _, d := range h.decisions {
		if d.at > from && d.at <= to {
			sum += d.own.Up
			n++
		}
	}
	return sum / float64(max(n, 1))
}

// when is how long after a time it takes until the background's rate up is below a bound, or at least that.
func (h *house) when(from float64, below bool, bound float64) float64 {
	for _, d := range h.decisions {
		if d.at > from && (d.own.Up < bound) == below {
			return d.at - from
		}
	}
	return math.Inf(1)
}

// reasons are those that it gave between two times.
func (h *house) reasons(from, to float64) []string {
	var said []string
	for _, d := range h.decisions {
		if d.at > from && d.at <= to && !slices.Contains(said, d.was.Reason) {
			said = append(said, d.was.Reason)
		}
	}
	return said
}
