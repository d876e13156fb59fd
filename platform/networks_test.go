package platform

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

func TestNetworksAreThoseThatTheMachineStandsIn(t *testing.T) {
	var addrs []net.Addr
	for _, text := range []string{
		"84.150.1.2/32", "192.168.1.1/24", "10.8.0.2/1", "2a02:8071:1234:5601::1/64", "2a02:8071:ffff::7/128", "2001:db8::1/3",
	} {
		ip, link, err := net.ParseCIDR(text)
		if err != nil {
			t.Fatal(err)
		}
		addrs = append(addrs, &net.IPNet{IP: ip, Mask: link.Mask})
	}
	want := []string{
		"84.150.1.2/32", "192.168.1.0/24", "10.8.0.2/32", "2a02:8071:1234:5601::/64", "2a02:8071:ffff::7/128", "2001:db8::1/128",
	}
	if got := texts(networksOf(addrs)); !slices.Equal(got, want) {
		t.Errorf("of addresses: %v, want %v", got, want)
	}

	delegated := strings.Replace(route6Line("lo", "2a02:8071:1234:5600::/56", "", 5), "00000001       lo", "00200201       lo", 1)
	files := map[string]string{"proc/net/ipv6_route": unreachable6 + delegated +
		route6Line("br-lan", "2a02:8071:1234:5601::/64", "", 5) +
		route6Line("wan", "2a00:1:2:3::/64", "fe80::1", 5) + // somebody else's network, behind a gateway
		route6Line("wg0", "2000::/3", "", 5) + // a tunnel's share of the internet
		route6Line("wan", "::/0", "fe80::1", 5) + "no route\n"}
	if got, want := texts(tree(t, files).routedNetworks()), []string{"2a02:8071:1234:5600::/56", "2a02:8071:1234:5601::/64"}; !slices.Equal(got, want) {
		t.Errorf("of routes: %v, want %v", got, want)
	}
	if got := tree(t, nil).routedNetworks(); got != nil {
		t.Errorf("without IPv6: %v", got)
	}
}

func TestNetworksOfThisMachineHoldItsLoopback(t *testing.T) {
	networks, err := Networks()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(networks, func(p netip.Prefix) bool { return p.Contains(netip.MustParseAddr("127.0.0.1")) }) {
		t.Errorf("no loopback: %v", networks)
	}
}

func texts(networks []netip.Prefix) []string {
	var all []string
	for _, n := range networks {
		all = append(all, n.String())
	}
	return all
}
