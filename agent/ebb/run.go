package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"ebb/agent"
)

// runAgent is 'ebb run'. It returns when the agent has stopped: after a signal,
// or because it could not go on.
func runAgent(ctx context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	config := c.config
	if config == "" {
		config = defaultConfig()
	}
	a, err := agent.New(agent.Options{
		ConfigPath: config,
		StateDir:   c.state,
		Log:        slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func version(_ context.Context, c *call) error {
	if err := c.parse(0, 0); err != nil {
		return err
	}
	fmt.Fprintf(c.out, "ebb %s\n", agent.Version)
	return nil
}
