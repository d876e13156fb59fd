//go:build linux

package interop

import (
	"context"
	"fmt"
	"time"
)

// pollEvery is how often a condition is looked at: often enough not to show in a test's duration, seldom enough not to
// load a two-core machine with RPC.
const pollEvery = 100 * time.Millisecond

// Await looks at a condition until it holds. The condition returns nil when it holds, and otherwise what is still
// missing; the last such answer is in the error when limit passes or ctx ends first.
func Await(ctx context.Context, limit time.Duration, what string, holds func(context.Context) error) error {
	return await(ctx, limit, what, nil, holds)
}

// await is Await that also gives up when gone is closed: whoever was to make the condition hold has ended.
func await(ctx context.Context, limit time.Duration, what string, gone <-chan struct{}, holds func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var missing error
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		if missing == nil || ctx.Err() == nil { // a question that the end of ctx cut short says nothing
			missing = err
		}
		select {
		case <-tick.C:
		case <-gone:
			return fmt.Errorf("waiting for %s: the program ended; last: %w", what, missing)
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; last: %w", what, ctx.Err(), missing)
		}
	}
}
