package swarm

import (
	"net/netip"
	"testing"
)

func TestHostIsACustomerOfAProvider(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "::ffff:192.0.2.7": "192.0.2.7/32", "2001:db8:1:2:3::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64",
	} {
		if got := Host(netip.MustParseAddr(addr)).String(); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
	if got := Host(netip.Addr{}); got.IsValid() {
		t.Errorf("nobody's: %s", got)
	}
}
