package webui

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"

	"ebb/agent/swarm"
)

const (
	// maxConns is how many connections may be open at once, maxConnsEach how many from one host; this machine, with
	// a reverse proxy perhaps, has no share of its own. A page needs six, and each costs about 20 kB.
	maxConns     = 256
	maxConnsEach = 48
)

// fromInside reports whether a request comes from the household: from this machine, from a private address, or from one
// in an IPv6 network that this machine is in. networks are those.
func fromInside(r *http.Request, networks func() []netip.Prefix) bool {
	caller, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return true // a socket of this machine, which has no such address
	}
	addr := caller.Addr().Unmap().WithZone("")
	switch {
	case addr.IsLoopback(), addr.IsPrivate(), addr.IsLinkLocalUnicast(), shared.Contains(addr):
		return true
	case addr.Is4():
		return false // nobody but the provider's other customers is in its network
	}
	return slices.ContainsFunc(networks(), func(network netip.Prefix) bool { return network.Contains(addr) })
}

// shared are the addresses of RFC 6598, which private overlay networks use, too.
var shared = netip.MustParsePrefix("100.64.0.0/10")

// ownNetworks are the networks that this machine is in.
func ownNetworks() (networks []netip.Prefix) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil
	}
	for _, addr := range addrs {
		if network, err := netip.ParsePrefix(addr.String()); err == nil {
			networks = append(networks, network.Masked())
		}
	}
	return networks
}

// crowd is a listener that bounds how many connections are open.
type crowd struct {
	net.Listener

	mu   sync.Mutex // guards what follows
	open int
	from map[netip.Prefix]int
}

func newCrowd(l net.Listener) *crowd { return &crowd{Listener: l, from: make(map[netip.Prefix]int)} }

// Accept returns the next connection for which there is room; the others are closed.
func (c *crowd) Accept() (net.Conn, error) {
	for {
		conn, err := c.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host := callerOf(conn)
		if c.enter(host) {
			return &caller{Conn: conn, leave: sync.OnceFunc(func() { c.leave(host) })}, nil
		}
		conn.Close()
	}
}

// callerOf is whose share of the connections one counts against; invalid for this machine.
func callerOf(conn net.Conn) netip.Prefix {
	addr, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil || addr.Addr().Unmap().IsLoopback() {
		return netip.Prefix{}
	}
	return swarm.Host(addr.Addr())
}

func (c *crowd) enter(host netip.Prefix) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open >= maxConns || host.IsValid() && c.from[host] >= maxConnsEach {
		return false
	}
	c.open++
	c.from[host]++
	return true
}

func (c *crowd) leave(host netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open--
	if c.from[host]--; c.from[host] == 0 {
		delete(c.from, host)
	}
}

// caller is a connection that gives its place back when it is closed.
type caller struct {
	net.Conn
	leave func()
}

func (c *caller) Close() error {
	c.leave()
	return c.Conn.Close()
}
