package govern

import (
	"math"
	"net/netip"
	"time"
)

// Rates are bytes per second.
type Rates struct{ Up, Down float64 }

// Surroundings are what is sensed beside the background's own connections.
type Surroundings struct {
	// WAN is the rate at which bytes passed through the interface to the internet since the last sample. Seen means
	// that it is known: it is not while the interface is away, nor if its counters were reset meanwhile.
	Interface string
	WAN       Rates
	Seen      bool
	// Facts say whether the household's traffic passes through that interface.
	Facts Facts
	// Line is the line's rate as the owner or the router's own shaper says; 0 if they do not. Learned is what to begin
	// with in that case, as was learned from what the line carried; 0 if nothing was.
	Line, Learned Rates
	// Foreground is the payload of the owner's own torrents.
	Foreground Rates
	// Probe is how much longer than without a queue the last probe that was answered took, to ProbeHop, the first hop
	// beyond the line. It was sent ProbeAge ago. Probed means that there is one.
	Probe    time.Duration
	ProbeAge time.Duration
	ProbeHop netip.Addr
	Probed   bool
	// Pressure is what the machine is short of ("memory", "processor time"); "" if of nothing.
	Pressure string
}

// Wire is what passed since the last look.
type Wire struct {
	Up, Down float64 // bytes on the wire: with headers, acknowledgements, and what was sent twice
	// Overhead is how many bytes on the wire there were lately for each byte of payload: at least 1.
	Overhead Rates
	Ways     []Way   // of the busiest connections across the line
	Acked    float64 // bytes of payload that were acknowledged
}

// Way is what a connection tells of the way to its peer and back since the last look.
type Way struct {
	ID       uint64        // of the connection; no two have had the same
	Bytes    float64       // of payload, both ways together
	Trip     time.Duration // the mean of the round trips that were measured
	Acks     float64       // of how many: acknowledgements without data
	Measured bool          // there was one
	Vary     time.Duration // by how much a round trip differs from their mean, as the kernel smooths it (RFC 6298)
	Least    time.Duration // the shortest round trip of the connection, as far as the kernel remembers; 0: not known
}

// Allotment is what the owner lets the background have of the line: bytes per second on the wire.
type Allotment struct {
	Up, Down int64 // 0: nothing; Auto: as much of the line as is not felt
	Monthly  int64 // bytes in a calendar month, both ways together; negative: as many as it likes
}

const (
	// Auto leaves a rate to the governor.
	Auto = -1
	// Uncapped is a month without a bound.
	Uncapped = -1
	// GuessedOverhead is the wire's bytes for one of payload where the kernel does not count them: full segments, and
	// half as many acknowledgements the other way.
	GuessedOverhead = 1.04
	// SmallestGrant is how many bytes of payload leave a connection together: two full TCP segments are acknowledged at
	// once, and a single one up to 40 ms later (RFC 9293 §3.8.6.3), which would look like a queue.
	SmallestGrant = 2 * 1448
	// Tick is the time from one decision to the next.
	Tick = 250 * time.Millisecond
)

// State is how the background is doing.
type State string

const (
	Sharing  State = "sharing"
	Yielding State = "yielding"
	Paused   State = "paused"
)

// Sample is what a decision is made of.
type Sample struct {
	DT       time.Duration // since the last one
	Around   Surroundings
	Wire     Wire
	Own      Rates // the background's, on the wire
	Allotted Allotment
	Used     string // why no transfer is left, "" if there is some
}

// Belief is what one direction of the line is believed to carry, since when and why.
type Belief struct {
	Rate float64 // bytes per second on the wire
	For  time.Duration
	Why  string // as the end of a sentence
}

// Decision is what the background may do from now on.
type Decision struct {
	Up, Down int64 // payload, bytes per second
	State    State
	Reason   string
	Position string
	Router   bool      // it is on the router, as far as is known
	Line     Rates     // what it is believed to carry
	Beliefs  [2]Belief // the same, up and down
	Others   Rates
	Delay    time.Duration
	Delayed  bool          // the delay is known
	Usual    time.Duration // what is measured without a queue, and not counted
	Bound    time.Duration // from which on there is a queue
}

// clean makes a rate of what should be one.
func clean(rate float64) float64 {
	if !(rate > 0) { // nor is NaN
		return 0
	}
	return min(rate, mostRate)
}

func (r Rates) clean() Rates { return Rates{clean(r.Up), clean(r.Down)} }

func (r Rates) times(by Rates) Rates { return Rates{r.Up * by.Up, r.Down * by.Down} }

// bounds of what passes for the time between two samples: a clock may have jumped, the machine may have slept.
const (
	shortestTick = 100 * time.Millisecond
	longestTick  = 2 * time.Second
)

func seconds(dt time.Duration) float64 {
	return min(max(dt, shortestTick), longestTick).Seconds()
}

// milliseconds of a delay; none is longer than a minute.
func milliseconds(delay time.Duration) float64 {
	return float64(min(max(delay, 0), time.Minute)) / float64(time.Millisecond)
}

// payload converts a limit on the wire.
func payload(wire, overhead float64) int64 {
	if !(overhead >= 1) || math.IsInf(overhead, 0) {
		overhead = GuessedOverhead
	}
	return int64(clean(wire) / overhead)
}
