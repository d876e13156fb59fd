package webui

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// Place is where the page and the API are served. It follows web.address while it serves.
type Place struct {
	cfg    PlaceConfig
	wanted string // web.address as it was tried last

	mu       sync.Mutex   // guards listener
	listener net.Listener // closed by whoever serves on it
}

// PlaceConfig is what a Place works with.
type PlaceConfig struct {
	Preferences *prefs.Live
	Explain     func(address string, err error) error // says what to do about an address that cannot be listened on
	Moved       func()                                // hears that the URL is another now
	Log         *slog.Logger
}

// OpenPlace listens where web.address says. The error is what Explain returns.
func OpenPlace(cfg PlaceConfig) (*Place, error) {
	p := &Place{cfg: cfg, wanted: cfg.Preferences.Get().Web.Address}
	var err error
	if p.listener, err = net.Listen("tcp", p.wanted); err != nil {
		return nil, cfg.Explain(p.wanted, err)
	}
	return p, nil
}

func (p *Place) addr() net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Addr()
}

// Close stops listening, for when nobody serves.
func (p *Place) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Close()
}

// URL is where the page is, seen from this machine.
func (p *Place) URL() string {
	host, port, _ := net.SplitHostPort(p.addr().String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// Serve serves the page until ctx ends, wherever web.address says, and returns nil then. It closes what it listens on.
func (p *Place) Serve(ctx context.Context, handler http.Handler) error {
	for ctx.Err() == nil {
		serving, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- Serve(serving, p.listener, handler, p.cfg.Log) }()
		next, err := p.next(ctx, ended, func() error { stop(); return <-ended })
		stop()
		if err != nil || next == nil {
			return err
		}
		p.mu.Lock()
		p.listener = next
		p.mu.Unlock()
		p.cfg.Moved()
		swarm.Tell(p.cfg.Log, "preferences", swarm.InfoHash{}, "the page is at "+p.URL()+" now")
	}
	return nil
}

// next waits until the page is to be served elsewhere, ends the serving, and returns the listener for that; nil when
// ctx ends. end ends the serving, and waits for that; ended tells that it has ended by itself.
func (p *Place) next(ctx context.Context, ended <-chan error, end func() error) (net.Listener, error) {
	for {
		changed := p.cfg.Preferences.Changed()
		wanted := p.cfg.Preferences.Get().Web.Address
		if wanted != p.wanted {
			p.wanted = wanted
			l, err := net.Listen("tcp", wanted)
			switch {
			case err == nil:
				if err := end(); err != nil {
					l.Close()
					return nil, err
				}
				return l, nil
			case errors.Is(err, syscall.EADDRINUSE): // by ourselves, if it is the same port
				if err := end(); err != nil {
					return nil, err
				}
				return p.listenAgain(wanted)
			}
			p.stays(wanted, err)
		}
		select {
		case <-changed:
		case err := <-ended:
			return nil, err
		case <-ctx.Done():
			return nil, <-ended
		}
	}
}

// listenAgain listens where the page is wanted, or else where it was before.
func (p *Place) listenAgain(wanted string) (net.Listener, error) {
	l, err := net.Listen("tcp", wanted)
	if err == nil {
		return l, nil
	}
	before := p.addr().String()
	p.stays(wanted, err)
	if l, err = net.Listen("tcp", before); err != nil {
		return nil, fmt.Errorf("the page cannot go back to %s: %w", before, err)
	}
	return l, nil
}

// stays tells that the page cannot be where it is wanted.
func (p *Place) stays(wanted string, err error) {
	swarm.Tell(p.cfg.Log, "preferences", swarm.InfoHash{}, "the page stays at "+p.URL()+": "+p.cfg.Explain(wanted, err).Error())
}
