package quota

import (
	"math"
	"net/netip"
	"time"
)

// Rates are bytes per second.
type Rates struct{ Up, Down float64 }

// Surroundings is what the governor has to be told, beside what its own connections tell.
type Surroundings struct {
	// WAN is what passed through the interface to the internet since the last call. Seen says that it is known: it is not
	// while the interface is away, or when its counters were reset meanwhile.
	Interface string
	WAN       Rates
	Seen      bool
	// Facts say whether the household's traffic passes through that interface.
	Facts Facts
	// Line is the line's rate as the owner or the router's own shaper says, Learned as was learned from what it carried;
	// 0 if they do not say or nothing was learned.
	Line, Learned Rates
	// Foreground is the payload of the owner's own torrents.
	Foreground Rates
	// Probe is how much longer than without a queue the last probe that was answered took, to ProbeHop, the first hop beyond
	// the line. It was sent ProbeAge ago. Probed says that there is one.
	Probe    time.Duration
	ProbeAge time.Duration
	ProbeHop netip.Addr
	Probed   bool
	// Pressure is what the machine is short of ("memory", "processor time"); "" if of nothing.
	Pressure string
	// Paused is why the background is to be silent ("it is outside the hours that you set"); "" if it is not.
	Paused string
}

// Senses observe the surroundings. Sense is called by one goroutine, every 250 ms, and should return within a few ms.
type Senses interface {
	Sense() Surroundings
}

// Allotment is what the owner lets the background have of the line: bytes per second on the wire.
type Allotment struct {
	Up, Down int64 // 0: nothing; Auto: as much of the line as is not felt
	Monthly  int64 // bytes in a calendar month, both ways together; negative: as many as it likes
}

// Auto leaves a rate to the governor.
const Auto = -1

// State is how the background is doing.
type State string

const (
	Sharing  State = "sharing"
	Yielding State = "yielding"
	Paused   State = "paused"
)

// sample is what a decision is made of.
type sample struct {
	dt       time.Duration // since the last one
	around   Surroundings
	wire     Wire
	own      Rates // the background's, on the wire
	allotted Allotment
	used     string // why no transfer is left, "" if there is some
}

// decision is what the background may do from now on.
type decision struct {
	up, down int64 // payload, bytes per second
	state    State
	reason   string
	position string
	line     Rates // what it is believed to carry
	others   Rates
	delay    time.Duration
	delayed  bool // the delay is known
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
		overhead = guessedOverhead
	}
	return int64(clean(wire) / overhead)
}
