package platform

import (
	"net/netip"
	"testing"
)

func TestWhatIsReachedWithoutTheLine(t *testing.T) {
	nas := map[string]string{
		"proc/net/route": route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 0) + route4Line("eth0", "192.168.1.0/24", "", 0) +
			route4Line("docker0", "172.17.0.0/16", "", 0) + route4Line("wg0", "10.9.0.0/16", "", 0) + route4Line("eth0", "10.20.0.0/16", "192.168.1.254", 0),
		"proc/net/ipv6_route":  route6Line("eth0", "2001:db8:1::/64", "", 256) + route6Line("eth0", "::/0", "fe80::1", 1024),
		netFile("wg0", "type"): "65534\n",
	}
	gateway := map[string]string{
		"proc/net/route": route4Line("wan", "0.0.0.0/0", "10.64.0.1", 0) + route4Line("wan", "10.64.0.0/20", "", 0) +
			route4Line("br-lan", "192.168.1.0/24", "", 0) + route4Line("br-lan", "192.168.2.0/24", "192.168.1.254", 0),
		"proc/net/ipv6_route": route6Line("br-lan", "2001:db8:1::/64", "", 256) + route6Line("wan", "::/0", "fe80::1", 1024),
	}
	vpn := map[string]string{
		"proc/net/route": route4Line("tun0", "0.0.0.0/1", "10.8.0.1", 0) + route4Line("tun0", "128.0.0.0/1", "10.8.0.1", 0) +
			route4Line("eth0", "0.0.0.0/0", "192.168.1.1", 0) + route4Line("eth0", "192.168.1.0/24", "", 0),
	}
	for _, c := range []struct {
		machine map[string]string
		wan     string
		router  bool
		addr    string
		local   bool
	}{
		{nas, "eth0", false, "192.168.1.7", true},
		{nas, "eth0", false, "::ffff:192.168.1.7", true},
		{nas, "eth0", false, "2001:db8:1::211:32ff:fe11:2233", true}, // a public address
		{nas, "eth0", false, "2001:db8:2::1", false},
		{nas, "eth0", false, "10.1.2.3", false}, // beyond a second router, CGNAT, a campus
		{nas, "eth0", false, "192.168.7.1", false},
		{nas, "eth0", false, "203.0.113.5", false},
		{nas, "eth0", false, "10.20.0.5", false}, // by a gateway of which nothing is known
		{nas, "eth0", false, "172.17.0.2", true},
		{nas, "eth0", false, "10.9.0.1", false}, // a tunnel
		{nas, "eth0", false, "127.0.0.1", true},
		{nas, "eth0", false, "fe80::1", true},
		{nas, "", false, "192.168.1.7", true},
		{gateway, "wan", true, "192.168.1.7", true},
		{gateway, "wan", true, "192.168.2.7", true}, // behind another router in the house
		{gateway, "wan", true, "2001:db8:1::7", true},
		{gateway, "wan", true, "10.64.0.9", false}, // a neighbour at the provider
		{gateway, "wan", true, "10.1.2.3", false},
		{vpn, "eth0", false, "203.0.113.5", false},
		{vpn, "eth0", false, "10.1.2.3", false},
		{vpn, "eth0", false, "192.168.1.7", true},
		{map[string]string{}, "", false, "10.1.2.3", false}, // nothing is known
	} {
		if got := tree(t, c.machine).Local(netip.MustParseAddr(c.addr), c.wan, c.router); got != c.local {
			t.Errorf("%s, router: %v: %v", c.addr, c.router, got)
		}
	}
}
