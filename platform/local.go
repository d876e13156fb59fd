package platform

import (
	"net/netip"
	"path/filepath"
)

// Local reports whether the way to an address does not pass the line to the internet: the kernel's routes say so, not
// the class of the address. WAN is the interface to the internet ("" if that is not known), and router says that nothing
// but the line is behind it: else it leads to the LAN too, and what is on the same link is local. The way through a
// tunnel is not local, wherever it ends, nor is one that the routes do not tell.
func (f Files) Local(addr netip.Addr, wan string, router bool) bool {
	addr = addr.Unmap()
	if addr.IsLoopback() || addr.IsLinkLocalUnicast() {
		return true
	}
	way := nextHop{bits: -1}
	// What was read before an error holds.
	if addr.Is4() {
		routes := table{path: filepath.Join(f.Proc, "net", "route")}
		defer routes.close()
		_ = routes.read(func(line []byte) {
			if route, ok := parseIPv4(line); ok {
				way.consider(addr, netip.AddrFrom4(route.to), route.bits, route.flags, route.metric, route.name)
			}
		})
	} else {
		routes := table{path: filepath.Join(f.Proc, "net", "ipv6_route")}
		defer routes.close()
		_ = routes.read(func(line []byte) {
			if route, ok := parseIPv6(line); ok {
				way.consider(addr, netip.AddrFrom16(route.to), route.bits, route.flags, route.metric, route.name)
			}
		})
	}
	fewest := fewestBits4
	if addr.Is6() {
		fewest = fewestBits6
	}
	name := text(way.name)
	switch {
	case way.bits < fewest || way.flags&routeReject != 0: // the default route, or a tunnel's share of the internet
		return false
	case f.tunnel(name):
		return false
	case name == wan:
		return !router && way.flags&routeGateway == 0
	}
	return true
}

// nextHop is the route that the kernel takes: the one that says most of the address, and of those the cheapest.
type nextHop struct {
	bits          int
	flags, metric uint32
	name          [interfaceNameSize]byte
}

func (n *nextHop) consider(addr, to netip.Addr, bits int, flags, metric uint32, name [interfaceNameSize]byte) {
	if flags&routeUp == 0 || bits < n.bits || bits == n.bits && metric >= n.metric || bits > addr.BitLen() {
		return
	}
	if netip.PrefixFrom(to, bits).Contains(addr) {
		*n = nextHop{bits, flags, metric, name}
	}
}
