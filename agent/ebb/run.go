package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
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
	o := c.options()
	for confined := false; ; confined = true {
		a, err := awaitDisk(ctx, o)
		if a == nil || err != nil {
			return err
		}
		if !confined {
			// Now that its disk is there. `ebb doctor` tells what came of it.
			if err := confine(append(a.Owner().Directories(), configDirectories(o.ConfigPath)...)); err != nil {
				o.Log.Info("not confined in every way", "err", err)
			}
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

// configDirectories are those in which the preferences are written anew: that of the file, and that of the file which it
// is a link to. The first is made, if it can be, since later it could not.
func configDirectories(path string) []string {
	dir := filepath.Dir(path)
	_ = os.MkdirAll(dir, 0o700)
	directories := []string{dir}
	if target, err := filepath.EvalSymlinks(path); err == nil && filepath.Dir(target) != dir {
		directories = append(directories, filepath.Dir(target))
	}
	return directories
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
