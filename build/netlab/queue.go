package netlab

import (
	"math/rand/v2"
	"time"
)

// Path is what happens to packets between the line and the remote hosts, in each direction.
type Path struct {
	Delay  time.Duration // one way
	Jitter time.Duration // at most this much more, evenly spread. Packets are never overtaken, so one that is late holds up those behind it
	Loss   float64       // share of packets, 0 to 1
	Seed   uint64        // the same seed, the same fate for packet number n
}

const (
	// slotSize is the largest packet: the MTU of Ethernet.
	slotSize = 1500
	// slots is how many packets are on their way in one direction at most: 100 ms of 1 Gbit/s, so a sender that
	// overshoots the line meets the line's buffer, not this one's end. A power of two. 12 MB.
	slots = 8192
)

// queue holds the packets that are on their way in one direction. It allocates nothing once it is made. Times are
// nanoseconds of any one clock.
type queue struct {
	path   Path
	random *rand.Rand

	slots   []slot
	first   int // the oldest packet
	held    int
	newest  int64 // when the packet that was put in last is due
	dropped int64 // packets
}

type slot struct {
	due    int64
	length int
	packet [slotSize]byte
}

// newQueue makes a queue. Two directions of one path differ in their number.
func newQueue(p Path, direction uint64) *queue {
	return &queue{path: p, random: rand.New(rand.NewPCG(p.Seed, direction)), slots: make([]slot, slots)}
}

// room is where to put the next packet, nil if there is none.
func (q *queue) room() []byte {
	if q.held == len(q.slots) {
		return nil
	}
	return q.slots[(q.first+q.held)%len(q.slots)].packet[:]
}

// push takes the packet of that length that is in room, and which came now.
func (q *queue) push(length int, now int64) {
	if q.path.Loss > 0 && q.random.Float64() < q.path.Loss {
		q.dropped++
		return
	}
	due := now + int64(q.path.Delay)
	if q.path.Jitter > 0 {
		due += q.random.Int64N(int64(q.path.Jitter) + 1)
	}
	q.newest = max(q.newest, due)
	s := &q.slots[(q.first+q.held)%len(q.slots)]
	s.due, s.length = q.newest, length
	q.held++
}

// due is the oldest packet if its time has come, else nil. It is valid until pop.
func (q *queue) due(now int64) []byte {
	if q.held == 0 || q.slots[q.first].due > now {
		return nil
	}
	s := &q.slots[q.first]
	return s.packet[:s.length]
}

// pop forgets the oldest packet.
func (q *queue) pop() {
	q.first = (q.first + 1) % len(q.slots)
	q.held--
}

// next is when the oldest packet is due.
func (q *queue) next() (at int64, any bool) {
	if q.held == 0 {
		return 0, false
	}
	return q.slots[q.first].due, true
}
