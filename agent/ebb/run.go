package main

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"ebb/agent"
	"ebb/quota/memory"
)

// runAgent is 'ebb run'. It returns when the agent has stopped: after a signal, or because it could not go on. When its
// disk was unplugged and came back, it begins anew.
func runAgent(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	memory.LimitGo()
	for {
		a, err := agent.New(c.options())
		if err != nil {
			return err
		}
		if err := a.Run(ctx); !errors.Is(err, agent.ErrRestart) {
			return err
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
