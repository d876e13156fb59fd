package swarm

import "net/netip"

// Host is whose connections, handshakes or guesses count together: those of an IPv4 address, or of an IPv6 network of 64
// bits, which is what one customer gets at least. It is the zero Prefix for the zero Addr.
func Host(addr netip.Addr) netip.Prefix {
	addr = addr.Unmap().WithZone("")
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	host, _ := addr.Prefix(bits) // fails for the zero Addr only
	return host
}
