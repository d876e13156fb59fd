package platform

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
)

// Networks of fewer bits are no household's, but a tunnel's share of the internet: 0.0.0.0/1 of a VPN, 2000::/3.
const (
	fewestBits4 = 8
	fewestBits6 = 40
)

// Networks returns the networks that this machine stands in: its own addresses with what is on the same links, and,
// for IPv6, what has been delegated to it, which the kernel knows as on-link or unreachable routes. An address may be
// named more than once. The loopback and link-local networks are among them.
func Networks() ([]netip.Prefix, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return nil, fmt.Errorf("reading the addresses of this machine: %w", err)
	}
	return append(networksOf(addrs), System.routedNetworks()...), nil
}

// networksOf makes networks of addresses. Of one whose link is too large, the address itself is left.
func networksOf(addrs []net.Addr) []netip.Prefix {
	var networks []netip.Prefix
	for _, a := range addrs {
		link, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		addr, ok := netip.AddrFromSlice(link.IP)
		if !ok {
			continue
		}
		addr = addr.Unmap()
		bits, _ := link.Mask.Size()
		fewest := fewestBits4
		if addr.Is6() {
			fewest = fewestBits6
		}
		if bits < fewest || bits > addr.BitLen() {
			bits = addr.BitLen()
		}
		networks = append(networks, netip.PrefixFrom(addr, bits).Masked())
	}
	return networks
}

// routedNetworks are the IPv6 networks that no gateway leads to. A machine without IPv6 has none.
func (f Files) routedNetworks() []netip.Prefix {
	var networks []netip.Prefix
	routes := table{path: filepath.Join(f.Proc, "net", "ipv6_route")}
	defer routes.close()
	_ = routes.read(func(line []byte) { // what was read before an error holds
		route, ok := parseIPv6(line)
		if !ok || route.flags&routeUp == 0 || route.bits < fewestBits6 || route.bits > 128 {
			return
		}
		if route.flags&routeGateway == 0 || route.flags&routeReject != 0 {
			networks = append(networks, netip.PrefixFrom(netip.AddrFrom16(route.to), int(route.bits)).Masked())
		}
	})
	return networks
}
