package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"time"

	"ebb/agent"
	"ebb/quota/memory"
)

// runAgent is 'ebb run'. It returns when the agent has stopped: after a signal, or because it could not go on. When its
// disk was unplugged and came back, it begins anew; while it is not there, it is waited for.
func runAgent(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	memory.LimitGo()
	for {
		a, err := awaitDisk(ctx, c.options())
		if a == nil || err != nil {
			return err
		}
		if err := a.Run(ctx); !errors.Is(err, agent.ErrRestart) {
			return err
		}
	}
}

// diskInterval is how often it is looked whether the disk has come.
const diskInterval = 2 * time.Second

// awaitDisk builds the agent as soon as its disk is there.
func awaitDisk(ctx context.Context, o agent.Options) (*agent.Agent, error) {
	told := ""
	for {
		a, err := agent.New(o)
		if !errors.Is(err, agent.ErrAway) {
			return a, err
		}
		if told != err.Error() {
			told = err.Error()
			o.Log.Warn("waiting for the disk", "err", err)
		}
		select {
		case <-time.After(diskInterval):
		case <-ctx.Done():
			return nil, nil
		}
	}
}

// options are those of the agent that -config and -state, or else the defaults, belong to.
func (c *call) options() agent.Options {
	config := c.config
	if config == "" {
		config = defaultConfig()
	}
	return agent.Options{
		ConfigPath: config,
		StateDir:   c.state,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	}
}
