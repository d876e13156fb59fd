package platform

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// Hop is a machine on the way to an address.
type Hop struct {
	Number int // how far away it is: 1 for the next router
	Addr   netip.Addr
	RTT    time.Duration
	Sent   time.Time // when it was asked

	local netip.Addr // ours, as the address sees it but for a NAT
}

// farthestHop is where looking for the internet ends: behind two routers of the household's and an access network that
// has private addresses.
const farthestHop = 5

// Hop measures the round trip to hop n on the way to an address, 1 being the next router. It sends one echo request
// that may go n hops far, and waits for the word that it went no further (RFC 792 and RFC 4443, 'time exceeded'), or
// for the answer of the address itself if that is no farther. A router may well not answer, and Linux answers each who
// asks once a second at most. Errors are those of RTT.
func (p Probe) Hop(ctx context.Context, addr netip.Addr, n int) (Hop, error) {
	if n < 1 || n > 255 {
		return Hop{}, fmt.Errorf("there is no hop %d on the way to %s", n, addr)
	}
	return p.ask(ctx, addr, n)
}

// FirstWANHop finds the first hop on the way to an address that has a public address itself: it is beyond the line, if
// the household's routers have private ones. Hops that do not answer are passed over. Errors are those of RTT.
func (p Probe) FirstWANHop(ctx context.Context, addr netip.Addr) (Hop, error) {
	return firstWANHop(ctx, addr, func(n int) (Hop, error) { return p.Hop(ctx, addr, n) })
}

func firstWANHop(ctx context.Context, addr netip.Addr, ask func(n int) (Hop, error)) (Hop, error) {
	silence := errors.New("they have private addresses")
	for n := 1; n <= farthestHop; n++ {
		hop, err := ask(n)
		switch {
		case errors.Is(err, ErrNoProbe) || err != nil && ctx.Err() != nil:
			return Hop{}, err
		case err != nil:
			silence = err
		case hop.beyondLine():
			return hop, nil
		case hop.Addr == addr.Unmap():
			return Hop{}, fmt.Errorf("%s is in a network of the household's", addr)
		}
	}
	return Hop{}, fmt.Errorf("none of the first %d hops on the way to %s tells where it is: %w", farthestHop, addr, silence)
}

// beyondLine reports whether the hop has the address of one that is. Addresses that a provider shares among its
// customers (100.64.0.0/10, RFC 6598) are beyond the line. With IPv6 the household's own router has a public address
// too, in the network that it gives us ours from.
func (h Hop) beyondLine() bool {
	a := h.Addr
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	return a.Is4() || !h.local.IsValid() || netip.PrefixFrom(h.local, subnetBits).Masked() != netip.PrefixFrom(a, subnetBits).Masked()
}

// subnetBits is the length of a subnet's prefix in IPv6 (RFC 4291 §2.5.4).
const subnetBits = 64

// addrOf is the address of this end of a socket.
func addrOf(a net.Addr) netip.Addr {
	switch a := a.(type) {
	case *net.UDPAddr: // that is what Go takes a datagram socket for
		return a.AddrPort().Addr().Unmap().WithZone("")
	case *net.IPAddr:
		addr, _ := netip.AddrFromSlice(a.IP)
		return addr.Unmap()
	}
	return netip.Addr{}
}
