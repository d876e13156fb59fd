package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"

	"ebb/agent"
	"ebb/agent/owner"
	"ebb/agent/swarm"
)

// agentPorts is what an agent takes of the world's ports: one for background
// peers, and the thousand above it for the owner's torrents.
const agentPorts = 1001

// AgentConfig is what the agents of a world may differ in.
type AgentConfig struct {
	Storage  string         // background.storage; "" leaves the background off
	Upload   string         // background.upload; "" for no limit
	KeepFree string         // background.keep_free; "" for nothing
	DHT      netip.AddrPort // a node to begin with; none leaves the DHT off
	Log      *slog.Logger
}

// WriteConfig writes the preferences of an agent that lives in this world, at an address of its own, and returns the
// path of its ebb.toml and the directory for its state. Nothing is started.
func (w *World) WriteConfig(c AgentConfig) (config, state string, addr netip.AddrPort, err error) {
	host := w.NextAddr()
	port, _, err := w.Ports(host, agentPorts)
	if err != nil {
		return "", "", netip.AddrPort{}, err
	}
	addr = netip.AddrPortFrom(host, port)
	dir := filepath.Join(w.dir, host.String())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", "", netip.AddrPort{}, fmt.Errorf("directory of an agent: %w", err)
	}
	bootstrap := "" // of TOML
	if c.DHT.IsValid() {
		bootstrap = fmt.Sprintf("%q", c.DHT)
	}
	text := fmt.Sprintf(`[background]
storage = %q
upload = %q
download = "unlimited"
keep_free = %q

[network]
peer_address = %q
dht = %t
dht_bootstrap = [%s]
allow_private_trackers = true

[web]
address = "%v:0"
`, c.Storage, cmp.Or(c.Upload, "unlimited"), cmp.Or(c.KeepFree, "0"), addr, c.DHT.IsValid(), bootstrap, host)
	config = filepath.Join(dir, "ebb.toml")
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return "", "", netip.AddrPort{}, fmt.Errorf("preferences of an agent: %w", err)
	}
	return config, filepath.Join(dir, "state"), addr, nil
}

// Agent is an ebb that runs in this process.
type Agent struct {
	*agent.Agent
	*owner.Owner
	Addr   netip.AddrPort // where background peers reach it
	Config string         // path of its ebb.toml
	State  string         // its state directory

	cancel context.CancelFunc
	ended  chan struct{}
	err    error // of Run; set before ended is closed
}

// Agent starts an agent in this world. It ends with Stop, or with the world.
func (w *World) Agent(c AgentConfig) (*Agent, error) {
	config, state, addr, err := w.WriteConfig(c)
	if err != nil {
		return nil, fmt.Errorf("starting an agent: %w", err)
	}
	a := &Agent{Addr: addr, Config: config, State: state}
	if err := a.Start(c.Log); err != nil {
		return nil, err
	}
	w.mu.Lock()
	w.agents = append(w.agents, a)
	w.mu.Unlock()
	return a, nil
}

// Start runs the agent, which must not be running.
func (a *Agent) Start(log *slog.Logger) error {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	started, err := agent.New(agent.Options{ConfigPath: a.Config, StateDir: a.State, Log: log})
	if err != nil {
		return fmt.Errorf("starting an agent: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	a.Agent, a.Owner, a.cancel, a.ended = started, started.Owner(), cancel, make(chan struct{})
	go func() {
		defer close(a.ended)
		a.err = started.Run(ctx)
	}()
	return nil
}

// Stop ends the agent and waits for it. It may be called more than once.
func (a *Agent) Stop() error {
	a.cancel()
	<-a.ended
	if a.err != nil && !errors.Is(a.err, context.Canceled) {
		return fmt.Errorf("agent at %v: %w", a.Addr, a.err)
	}
	return nil
}

// Ended waits until the agent has ended by itself, and returns its error.
func (a *Agent) Ended(ctx context.Context) error {
	select {
	case <-a.ended:
		return a.err
	case <-ctx.Done():
		return fmt.Errorf("agent at %v goes on: %w", a.Addr, context.Cause(ctx))
	}
}

// Follow waits until the agent tells an event that fits.
func (a *Agent) Follow(ctx context.Context, fits func(swarm.Event) bool) error {
	for seen := uint64(0); ; {
		events, more := a.Events().After(seen)
		for _, e := range events {
			if fits(e) {
				return nil
			}
			seen = e.ID
		}
		select {
		case <-more:
		case <-a.ended:
			return fmt.Errorf("agent at %v ended: %w", a.Addr, a.err)
		case <-ctx.Done():
			return fmt.Errorf("agent at %v: %w", a.Addr, context.Cause(ctx))
		}
	}
}
