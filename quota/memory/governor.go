package memory

import "time"

// A Governor decides how many connections the background may have open, so that it gives memory back before the kernel
// has to take it from somebody. While memory is short it halves their number again and again, to none at all; when
// memory has been plentiful for a while it doubles it again, step by step.
//
// It has no clock and does no I/O. The zero value is ready to use.
type Governor struct {
	halvings int // of the number of connections
	short    bool

	lowered  time.Time // when halvings last grew
	plenty   time.Time // since when memory has been plentiful; zero while it is not
	gaveBack time.Time
	owed     bool // connections were given up since gaveBack, or just then
}

// Sample is one look at the memory. Looks are to be a few seconds apart.
type Sample struct {
	At time.Time
	// Total and Available are in bytes, those of the cgroup if it has less than
	// the machine. A Total of 0 says that neither is known.
	Total, Available int64
	// Waits is the share of the last ten seconds, 0 to 1, in which somebody waited
	// for memory; 0 where the kernel does not measure it.
	Waits float64
}

// Decision is what to do about it.
type Decision struct {
	Short       bool // the background is to yield
	Connections int  // that the background may have open
	GiveBack    bool // what Go has freed and not returned is to go back to the system
}

const (
	// Where waiting is suffering, and where it is over. Shares of the time.
	memoryWaits   = 0.2
	memoryWaitsNo = 0.1

	// halveInterval lets the last halving show before the next: connections take a
	// moment to end, and what was waited is an average over ten seconds.
	halveInterval = 6 * time.Second
	// doubleInterval is how long memory must be plentiful without a break before each step back.
	doubleInterval = 30 * time.Second

	// Giving back collects garbage, which takes a 580 MHz MIPS some 100 ms with a heap of 5 MB. It is worth that after
	// connections were given up, which is a few times until there are none, and now and then while memory stays short,
	// for what the owner's downloads leave behind.
	giveBackInterval     = 15 * time.Second
	giveBackIntervalIdle = 10 * time.Minute
)

// enoughMemory is how much must be available, in bytes: a tenth. Page cache is counted as available, so a machine with
// much less reads its own programs from flash again and again. A router of 64 MB keeps 8 MiB, so that there is time to
// act before the kernel does, but a tiny cgroup no more than a quarter; and large machines need not keep gigabytes.
func enoughMemory(total int64) int64 {
	return min(max(total/10, min(8<<20, total/4)), 256<<20)
}

// Decide takes a look at the memory.
func (g *Governor) Decide(s Sample) Decision {
	known, enough := s.Total > 0, enoughMemory(s.Total)
	most := ConnectionsFor(s.Total)
	all, owed := halvingsToNone(most), g.owed
	switch {
	case known && s.Available < enough/2:
		g.lack(s.At, all) // what comes next is the kernel, which kills
	case known && s.Available < enough, s.Waits > memoryWaits:
		if s.At.Sub(g.lowered) >= halveInterval {
			g.lack(s.At, min(g.halvings+1, all))
		} else {
			g.lack(s.At, g.halvings)
		}
	case known && s.Available < enough+enough/4, s.Waits > memoryWaitsNo:
		g.plenty = time.Time{} // neither, nor is it over
	case g.short || g.halvings > 0:
		g.recover(s.At)
	}
	return Decision{Short: g.short, Connections: most >> g.halvings, GiveBack: g.giveBack(s.At, owed)}
}

// halvingsToNone is how often n can be halved, rounding down, until nothing is left.
func halvingsToNone(n int) (halvings int) {
	for n>>halvings > 0 {
		halvings++
	}
	return halvings
}

// lack notes that memory is short, and so that the connections are to be halved so often.
func (g *Governor) lack(now time.Time, halvings int) {
	if halvings > g.halvings {
		g.halvings, g.lowered, g.owed = halvings, now, true
	}
	g.short, g.plenty = true, time.Time{}
}

// recover goes a step back whenever memory has been plentiful for long enough.
func (g *Governor) recover(now time.Time) {
	if g.plenty.IsZero() {
		g.plenty = now
	}
	if now.Sub(g.plenty) < doubleInterval {
		return
	}
	g.short, g.plenty = false, now
	g.halvings = max(g.halvings-1, 0)
}

// giveBack decides whether to give memory back. owed: connections were given up
// before this look. Those of this one have yet to end.
func (g *Governor) giveBack(now time.Time, owed bool) bool {
	interval := giveBackIntervalIdle
	if owed {
		interval = giveBackInterval
	}
	if !g.short || now.Sub(g.gaveBack) < interval {
		return false
	}
	g.gaveBack, g.owed = now, g.lowered.Equal(now)
	return true
}
