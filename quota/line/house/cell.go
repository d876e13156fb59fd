package house

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// MBit is 1 Mbit/s in bytes per second.
const MBit = 1e6 / 8

// Told is what the governor is told of the line.
type Told float64

const (
	Right     Told = 1
	Nothing   Told = 0
	TooMuch   Told = 10
	TooLittle Told = 0.1
)

// Hop is how the first hop beyond the line answers probes.
type Hop int

const (
	Silent  Hop = iota // not at all
	Prompt             // at once
	Late               // up to 30 ms late
	InFront            // from before the queue
)

// Peer is a leecher and its own line. Rate is in bytes per second, 0 is more than enough.
type Peer struct {
	Rate   float64
	Buffer time.Duration
	Trip   time.Duration // beyond the cell's
	Jitter time.Duration // at most, each way
	Late   time.Duration // how long it waits for a second segment before it acknowledges the first
	Lazy   time.Duration // by how much, at most, it acknowledges late
	Early  bool          // somebody in front of the line's queue acknowledges for it
}

// Flow is what somebody in the household sends or receives for a time.
type Flow struct {
	Down     bool
	Control  Control
	Rate     float64 // of Paced, bytes of payload per second
	From, To time.Duration
}

// Cell is a line, who is there, and what happens.
type Cell struct {
	Up, Down float64 // bytes per second
	Buffer   time.Duration
	Trip     time.Duration
	Jitter   time.Duration // at most, each way, for all
	Medium   Medium
	Grain    time.Duration // of Grants and Bursts
	Burst    float64       // of Bucket, bytes
	Router   bool          // the governor is on the router, else behind it
	Modem    bool          // on the router: the queue is in the modem
	Told     Told
	Peers    []Peer
	Control  Control // of our connections
	Odd      bool    // what leads a block leaves in a segment of its own
	Hop      Hop
	Stalls   time.Duration // the machine stands still for 50 ms about so often; 0: never
	Flows    []Flow
	Change   float64 // the line's rate is multiplied by this
	At       time.Duration
	Seed     uint64
}

func (c Cell) String() string {
	where := "behind"
	if c.Router {
		where = "router"
		if c.Modem {
			where = "router, queue in the modem"
		}
	}
	slow, early := 0, 0
	for _, p := range c.Peers {
		if p.Rate > 0 && p.Rate < c.Up {
			slow++
		}
		if p.Early {
			early++
		}
	}
	return fmt.Sprintf("%.4g/%.4g %v, buffer %v, jitter %v, %s, %s, told ×%v, %d peers (%d slow, %d early), %s, hop %s, stalls %v, seed %d",
		c.Up/MBit, c.Down/MBit, c.Trip, c.Buffer, c.Jitter, [...]string{"serial", "bucket", "grants", "bursts"}[c.Medium], where,
		float64(c.Told), len(c.Peers), slow, early, [...]string{"cubic", "bbr", "paced"}[c.Control],
		[...]string{"silent", "prompt", "late", "in front"}[c.Hop], c.Stalls, c.Seed)
}

// Plain is a cell of so many ordinary peers, on a serial line of that many Mbit/s with a buffer of half a second.
func Plain(up, down float64, trip time.Duration, peers int, router bool) Cell {
	c := Cell{Up: up * MBit, Down: down * MBit, Trip: trip, Buffer: 500 * time.Millisecond, Told: Right, Router: router, Odd: true, Seed: 1}
	for range peers {
		c.Peers = append(c.Peers, Peer{Late: 40 * time.Millisecond, Lazy: 4 * time.Millisecond})
	}
	return c
}

// Random returns any cell, always the same for a seed.
func Random(seed uint64) Cell {
	r := rand.New(rand.NewPCG(seed, 11))
	pick := func(of ...float64) float64 { return of[r.IntN(len(of))] }
	between := func(least, most float64) float64 { return least * math.Pow(most/least, r.Float64()) }
	ms := func(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }
	up := between(1, 500)
	if r.IntN(2) == 0 {
		up = pick(1, 2, 10, 40, 100, 500)
	}
	c := Cell{
		Up: up * MBit, Down: min(up*between(1, 8), 1000) * MBit, Trip: ms(between(8, 220)), Buffer: ms(between(50, 1000)),
		Jitter: ms(pick(0, 0, 1, 3, 8, 15)), Router: r.IntN(2) == 0, Modem: r.IntN(2) == 0,
		Told: Told(pick(1, 1, 1, 0, 10, .1)), Control: Control(r.IntN(2)), Hop: Hop(r.IntN(4)), Odd: r.IntN(2) == 0, Seed: seed,
	}
	switch Medium(pick(0, 0, 0, 0, 1, 2, 3)) {
	case Bucket:
		c.Medium, c.Burst = Bucket, pick(2, 4, 11)*full
	case Grants:
		c.Medium, c.Grain = Grants, ms(pick(2, 5))
	case Bursts:
		c.Medium, c.Grain = Bursts, ms(pick(3, 8))
	}
	if r.IntN(4) == 0 {
		c.Stalls = time.Second * time.Duration(pick(3, 10))
	}
	n := int(pick(1, 2, 4, 4, 12, 40))
	enough := 0.0
	for i := range n {
		p := Peer{Late: ms(40), Trip: ms(r.Float64() * 40)}
		if r.IntN(4) == 0 {
			p.Rate, p.Buffer = between(.064, 100)*MBit, ms(between(30, 1000))
		}
		if r.IntN(5) == 0 {
			p.Jitter = ms(between(2, 30))
		}
		if n > 2 && r.IntN(8) == 0 {
			p.Late = ms(200)
		}
		if r.IntN(8) == 0 {
			p.Lazy = ms(between(2, 40))
		}
		p.Early = i > 0 && i <= n/4 && r.IntN(12) == 0
		if i == n-1 && enough < 1.5*c.Up { // somebody can take what the line carries
			p.Rate = 0
		}
		if p.Rate == 0 {
			enough = math.Inf(1)
		}
		enough += p.Rate
		c.Peers = append(c.Peers, p)
	}
	return c
}
