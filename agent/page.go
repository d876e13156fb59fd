package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"syscall"

	"ebb/agent/prefs"
	"ebb/agent/records"
	"ebb/agent/swarm"
	"ebb/webui"
)

// page is where the page and the API are served. It follows web.address while the agent runs.
type page struct {
	wanted string // web.address as it was tried last

	mu       sync.Mutex   // guards listener
	listener net.Listener // closed by whoever serves on it
}

func (p *page) addr() net.Addr {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Addr()
}

func (p *page) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.listener.Close()
}

func (a *Agent) openWeb(p prefs.Preferences) error {
	l, err := net.Listen("tcp", p.Web.Address)
	if err != nil {
		return listenError("the page", "web.address", p.Web.Address, err)
	}
	a.page.wanted, a.page.listener = p.Web.Address, l
	a.opened(a.page.close)
	if a.commands, err = records.ListenSocket(a.state.Path); err != nil {
		// On a full disk ebb must run all the same, for it can make room.
		a.log.Warn("commands will not find this agent", "err", err)
		return nil
	}
	a.opened(a.commands.Close)
	return nil
}

// web is what answers at the page's address and at the commands' socket.
func (a *Agent) web() http.Handler {
	return webui.New(webui.Config{
		Agent: a.owner, Token: a.token, PasswordPath: a.state.File(webui.PasswordFile), AllowedHosts: func() []string { return a.preferences.Get().Web.AllowedHosts },
		AllowPublic: func() bool { return a.preferences.Get().Web.AllowPublic }, Log: a.log,
	})
}

// URL is where the page is, seen from this machine.
func (a *Agent) URL() string {
	host, port, _ := net.SplitHostPort(a.page.addr().String())
	if ip, err := netip.ParseAddr(host); err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port) + "/"
}

// servePage serves the page until ctx ends, wherever web.address says.
func (a *Agent) servePage(ctx context.Context, handler http.Handler) error {
	for ctx.Err() == nil {
		serving, stop := context.WithCancel(ctx)
		ended := make(chan error, 1)
		go func() { ended <- webui.Serve(serving, a.page.listener, handler, a.log) }()
		next, err := a.nextPage(ctx, ended, func() error { stop(); return <-ended })
		stop()
		if err != nil || next == nil {
			return err
		}
		a.page.mu.Lock()
		a.page.listener = next
		a.page.mu.Unlock()
		a.writeAddress()
		swarm.Tell(a.log, "preferences", swarm.InfoHash{}, "the page is at "+a.URL()+" now")
	}
	return nil
}

// nextPage waits until the page is to be served elsewhere, ends the serving, and returns the listener for that; nil when
// the agent ends. end ends the serving, and waits for that; ended tells that it has ended by itself.
func (a *Agent) nextPage(ctx context.Context, ended <-chan error, end func() error) (net.Listener, error) {
	for {
		changed := a.preferences.Changed()
		wanted := a.preferences.Get().Web.Address
		if wanted != a.page.wanted {
			a.page.wanted = wanted
			l, err := net.Listen("tcp", wanted)
			switch {
			case err == nil:
				return l, end()
			case errors.Is(err, syscall.EADDRINUSE): // by ourselves, if it is the same port
				if err := end(); err != nil {
					return nil, err
				}
				return a.listenAgain(wanted)
			}
			a.stays(wanted, err)
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
func (a *Agent) listenAgain(wanted string) (net.Listener, error) {
	l, err := net.Listen("tcp", wanted)
	if err == nil {
		return l, nil
	}
	before := a.page.addr().String()
	a.stays(wanted, err)
	if l, err = net.Listen("tcp", before); err != nil {
		return nil, fmt.Errorf("the page cannot go back to %s: %w", before, err)
	}
	return l, nil
}

// stays tells that the page cannot be where it is wanted.
func (a *Agent) stays(wanted string, err error) {
	swarm.Tell(a.log, "preferences", swarm.InfoHash{}, "the page stays at "+a.URL()+": "+listenError("the page", "web.address", wanted, err).Error())
}

// writeAddress writes down where the page is.
func (a *Agent) writeAddress() {
	if err := a.state.WriteAddress(a.URL()); err != nil {
		// On a full disk ebb must run all the same, for it can make room.
		a.log.Warn("writing down where the page is", "err", err)
	}
}
