package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"ebb/agent/prefs"
	"ebb/agent/records"
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
	base, err := c.address(state)
	if err != nil {
		return nil, err
	}
	return newClient(base, token, state), nil
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

// address returns the URL that the agent serves at: what it wrote down when it began to, as the preferences may leave
// the port to chance, or else what they say.
func (c *call) address(state string) (string, error) {
	path := filepath.Join(state, records.AddressFile)
	text, err := os.ReadFile(path)
	if err == nil {
		base, err := reachable(strings.TrimSpace(string(text)))
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return base, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("finding the agent: %w", err)
	}
	p, err := c.preferences()
	if err != nil {
		return "", err
	}
	base, err := reachable("http://" + p.Web.Address)
	if err != nil {
		return "", fmt.Errorf("web.address: %w", err)
	}
	return base, nil
}

// reachable turns an address that an agent listens on into one to dial: one that means every address of the machine
// becomes the loopback one.
func reachable(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" {
		return "", fmt.Errorf("%q is not the address of an agent, such as http://127.0.0.1:8088", address)
	}
	host := u.Hostname()
	ip, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && ip.IsUnspecified() && ip.Is4():
		host = "127.0.0.1"
	case err == nil && ip.IsUnspecified():
		host = "::1"
	}
	return u.Scheme + "://" + net.JoinHostPort(host, u.Port()), nil
}
