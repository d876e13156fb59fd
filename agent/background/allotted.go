package background

import (
	"context"
	"sync"
	"time"

	"ebb/agent/swarm"
)

// allottedInterval is how soon the engine follows the clock, where the owner has set hours.
const allottedInterval = 10 * time.Second

// RunAllotted runs the engine whenever the owner's allotment and hours let it, and not a moment longer, until ctx ends.
// allotted reports whether they do, and if not, why; changed is closed when it is to be asked at once.
func (e *Engine) RunAllotted(ctx context.Context, allotted func() (on bool, why string), changed func() <-chan struct{}) {
	check := time.NewTicker(allottedInterval)
	defer check.Stop()
	var running sync.WaitGroup
	defer running.Wait()
	var pause context.CancelFunc // ends what runs; nil while nothing does
	for {
		again := changed() // before allotted is asked, lest a change between the two be missed
		switch on, why := allotted(); {
		case on && pause == nil:
			var run context.Context
			run, pause = context.WithCancel(ctx)
			running.Go(func() { e.Run(run) })
		case !on && pause != nil:
			pause()
			pause = nil
			running.Wait()
			swarm.Tell(e.cfg.Log, "paused", swarm.InfoHash{}, why)
		}
		select {
		case <-check.C:
		case <-again:
		case <-ctx.Done():
			if pause != nil {
				pause()
			}
			return
		}
	}
}
