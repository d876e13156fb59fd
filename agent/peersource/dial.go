package peersource

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// dialTimeout bounds name resolution and connecting: half of what a whole announce gets.
	dialTimeout = 10 * time.Second
	// tlsTimeout is generous because a 400 MHz router takes seconds for a handshake.
	tlsTimeout = 15 * time.Second
	// maxRedirects: a tracker that moved, moved to https, and added a path needs three.
	maxRedirects = 5
	// maxResponseHeader bounds what a server can make us hold before its body starts.
	maxResponseHeader = 64 << 10
)

// DialContext connects from g.Local to address, a 'host:port', on a tcp or udp network. Each address that the host
// resolves to is judged by AllowAddr at the moment of connecting, so a name that changes its mind between two look-ups
// gains nothing. Errors wrap ErrRefused if every address was refused.
func (g Guard) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return g.dial(ctx, network, address, netip.AddrPort{})
}

// Control judges the address that a net.Dialer is about to connect to (net.Dialer.Control). It is the one place where all
// that dials is guarded: trackers, feeds, and peers.
func (g Guard) Control(_, resolved string, _ syscall.RawConn) error {
	addr, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("address %q: %w", resolved, ErrRefused)
	}
	return g.checkAddr(addr.Addr())
}

// dial is DialContext from a local address and port, or, if that is not valid, from g.Local.
func (g Guard) dial(ctx context.Context, network, address string, local netip.AddrPort) (net.Conn, error) {
	dialer := net.Dialer{
		Timeout:  dialTimeout,
		Resolver: g.Resolver,
		Control:  g.Control,
	}
	if g.Local.IsValid() && !local.IsValid() {
		local = netip.AddrPortFrom(g.Local, 0)
	}
	if local.IsValid() {
		if strings.HasPrefix(network, "udp") {
			dialer.LocalAddr = net.UDPAddrFromAddrPort(local)
		} else {
			dialer.LocalAddr = net.TCPAddrFromAddrPort(local)
		}
	}
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil || g.Count == nil {
		return c, err
	}
	return counted{c, g.Count}, nil
}

// count tells Count of a packet.
func (g Guard) count(sent, received int) {
	if g.Count == nil {
		return
	}
	if sent > 0 {
		sent += packetHeader
	}
	if received > 0 {
		received += packetHeader
	}
	g.Count(sent, received)
}

// counted tells what passes a connection.
type counted struct {
	net.Conn
	count func(sent, received int)
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count(0, n)
	return n, err
}

func (c counted) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count(n, 0)
	return n, err
}

// Client is an HTTP client that reaches only what g allows. The first URL should pass CheckURL; every redirect (at most
// 5, never from https down to http) and every address is checked by the client itself. It keeps no connection and no
// goroutine after a response's body is closed.
//
// It verifies TLS certificates. Many trackers' certificates are bad, but then their torrents' other trackers, and the
// DHT, remain; what https promises should hold when ebb says that it used it.
func (g Guard) Client() *http.Client { return g.client("tcp") }

// client is Client, on one kind of network.
func (g Guard) client(network string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			// No proxy, not even from the environment: it would connect on our behalf, past the guard.
			Proxy: nil,
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
				return g.DialContext(ctx, network, address)
			},
			TLSHandshakeTimeout:    tlsTimeout,
			MaxResponseHeaderBytes: maxResponseHeader,
			// Thousands of swarms ask each tracker every half hour: an idle connection would cost and never be used.
			DisableKeepAlives: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("more than %d redirects", maxRedirects)
			}
			if req.URL.Scheme == "http" && via[len(via)-1].URL.Scheme == "https" {
				return errors.New("redirect from https to http")
			}
			return g.checkURL(req.URL)
		},
	}
}

// resolve gives the addresses of host (a name or a literal) that g allows.
func (g Guard) resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	resolver := g.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	all, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	var allowed []netip.Addr
	for _, addr := range all {
		if bad := g.checkAddr(addr); bad != nil {
			err = bad
			continue
		}
		allowed = append(allowed, addr.Unmap())
	}
	if len(allowed) == 0 {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	return allowed, nil
}
