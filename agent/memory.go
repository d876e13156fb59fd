package agent

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"ebb/platform"
	"ebb/quota/memory"
)

// memoryInterval is how often the memory is looked at: a few small files of /proc
// and /sys.
const memoryInterval = 2 * time.Second

// memoryWatch keeps the background within what is left of the memory. It alone
// knows whether memory is short; what follows from that memory.MemoryGovernor decides.
type memoryWatch struct {
	sense    func() memory.Sample // but for At
	bound    func(conns int)      // how many connections the background may have open
	giveBack func()
	log      *slog.Logger

	short atomic.Bool
}

func (a *Agent) newMemoryWatch() *memoryWatch {
	return &memoryWatch{
		sense:    func() memory.Sample { return senseMemory(platform.System) },
		bound:    a.background.SetMostConns,
		giveBack: debug.FreeOSMemory,
		log:      a.log,
	}
}

// senseMemory takes a look. A kernel that does not measure pressure says nothing
// of waiting, and what is available must do.
func senseMemory(f platform.Files) memory.Sample {
	var s memory.Sample
	s.Total, s.Available = f.Memory()
	if p, err := f.MemoryPressure(); err == nil {
		s.Waits = p.Some
	}
	return s
}

// run watches until ctx ends.
func (w *memoryWatch) run(ctx context.Context) {
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	var governor memory.Governor
	bound := -1 // what was said last; nothing yet
	for {
		sample := w.sense()
		sample.At = time.Now()
		d := governor.Decide(sample)
		if w.short.Swap(d.Short) != d.Short {
			w.log.Info("memory", "short", d.Short, "available", sample.Available, "total", sample.Total, "waits", sample.Waits)
		}
		if d.Connections != bound {
			bound = d.Connections
			w.bound(bound)
		}
		if d.GiveBack {
			w.giveBack() // after the connections have been closed
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
