package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"ebb/agent/prefs"
	"ebb/webui"
)

// agent returns a client of the agent that -config and -state, or else the defaults, belong to. Whether it is running
// shows when it is first asked.
func (c *call) agent() (*client, error) {
	state := c.state
	if state == "" {
		p, err := c.preferences()
		if err != nil {
			return nil, err
		}
		state = p.State.Directory
	}
	token, err := webui.ReadToken(filepath.Join(state, webui.TokenFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, notRunning(state)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%w: be the user that runs the agent, or root", err)
	case err != nil:
		return nil, err
	}
	return newClient(token, state), nil
}

var errNotRunning = errors.New("no agent is running")

func notRunning(state string) error {
	return fmt.Errorf("%w with its state in %s: start it with 'ebb run', or say where it is with -state or -config", errNotRunning, state)
}

// preferences reads those that the agent is run with.
func (c *call) preferences() (prefs.Preferences, error) {
	path := c.config
	if path == "" {
		path = defaultConfig()
	}
	p, err := prefs.Load(path)
	if errors.Is(err, fs.ErrNotExist) && c.config == "" {
		return prefs.Default(), nil
	}
	return p, err
}

// defaultConfig is where the preferences are if nobody says otherwise.
func defaultConfig() string {
	if os.Geteuid() != 0 {
		if dir, err := os.UserConfigDir(); err == nil {
			return filepath.Join(dir, "ebb", "ebb.toml")
		}
	}
	return "/etc/ebb/ebb.toml"
}
