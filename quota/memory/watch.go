package memory

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"ebb/platform"
)

// watchInterval is how often the memory is looked at: a few small files of /proc and /sys.
const watchInterval = 2 * time.Second

// Watch keeps the background within what is left of the memory. It alone knows whether memory is short; what follows
// from that its Governor decides.
type Watch struct {
	sense    func() Sample   // but for At
	bound    func(conns int) // how many connections the background may have open
	giveBack func()
	log      *slog.Logger

	short atomic.Bool
}

// NewWatch returns a Watch of the machine that the files tell of. bound is called by Run, at first and whenever the
// number of connections that the background may have open changes.
func NewWatch(files platform.Files, bound func(conns int), log *slog.Logger) *Watch {
	return &Watch{
		sense: func() Sample { return sense(files) },
		bound: bound, giveBack: debug.FreeOSMemory, log: log,
	}
}

// sense takes a look. A kernel that does not measure pressure says nothing of waiting; then what is available must do.
func sense(files platform.Files) Sample {
	var s Sample
	s.Total, s.Available = files.Memory()
	if p, err := files.MemoryPressure(); err == nil {
		s.Waits = p.Some
	}
	return s
}

// Short reports whether memory was short at the last look, so that the background is to yield.
func (w *Watch) Short() bool { return w.short.Load() }

// Run watches until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	tick := time.NewTicker(watchInterval)
	defer tick.Stop()
	var governor Governor
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
