package peersource

import (
	"context"
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// The public addresses of the device, of its links, and of what its provider has delegated to it.
func ownNetworks() ([]netip.Prefix, error) {
	return []netip.Prefix{
		netip.MustParsePrefix("84.150.1.2/32"), netip.MustParsePrefix("2a02:8071:1234:5600::/56"),
	}, nil
}

func TestGuardTakesTheDevicesOwnNetworksForInside(t *testing.T) {
	guard := Guard{Household: NewHousehold(ownNetworks)}
	for addr, allowed := range map[string]bool{
		"84.150.1.2":                           false,
		"::ffff:84.150.1.2":                    false,
		"64:ff9b::5496:102":                    false, // the same by NAT64
		"2002:5496:102::1":                     false, // by 6to4
		"84.150.1.3":                           true,
		"2a02:8071:1234:5600::1":               false,
		"2a02:8071:1234:56ff:1:2:3:4":          false,
		"2a02:8071:1234:5700::1":               true,
		"::ffff:0:192.168.1.1":                 false, // RFC 2765
		"2001:470:1:2:0:5efe:192.168.1.1":      false, // ISATAP
		"2001:470:1:2:200:5efe:192.168.1.1":    false,
		"2001:470:1:2:0:5efe:8.8.8.8":          true,
		"2001:0:4136:e378:8000:63bf:3f57:fefe": false, // Teredo, of 192.168.1.1
		"2001:0:4136:e378:8000:63bf:f7f7:f7f7": true,  // and of 8.8.8.8
	} {
		if got := guard.AllowAddr(netip.MustParseAddr(addr)); got != allowed {
			t.Errorf("%s: allowed %v, want %v", addr, got, allowed)
		}
	}
	for _, url := range []string{"http://[2a02:8071:1234:5600::1]/cgi-bin/x?y", "udp://84.150.1.2:80"} {
		if err := guard.CheckURL(url); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v", url, err)
		}
	}
	lax := guard
	lax.AllowPrivate = true
	if !lax.AllowAddr(netip.MustParseAddr("84.150.1.2")) {
		t.Error("AllowPrivate does not lift the rule")
	}
}

func TestNothingIsDialledInsideWhateverANameResolvesTo(t *testing.T) {
	guard := Guard{Household: NewHousehold(ownNetworks), Resolver: nameServer(t, "84.150.1.2")}
	for _, network := range []string{"tcp", "udp"} {
		if c, err := guard.DialContext(context.Background(), network, "tracker.example.org:80"); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: %v, %v", network, c, err)
		}
	}
}

func TestHouseholdFollowsTheLinesAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now, reads, broken := "84.150.1.2/32", 0, error(nil)
		h := NewHousehold(func() ([]netip.Prefix, error) {
			reads++
			return []netip.Prefix{netip.MustParsePrefix(now)}, broken
		})
		inside := func(addr string) bool { return h.contains(netip.MustParseAddr(addr)) }
		for range 1000 {
			if !inside("84.150.1.2") {
				t.Fatal("the first address is outside")
			}
		}
		if reads != 1 {
			t.Errorf("%d readings at one moment", reads)
		}
		now = "84.150.9.9/32"
		time.Sleep(householdAge + 1)
		if inside("84.150.1.2") || !inside("84.150.9.9") {
			t.Error("a new address is not followed")
		}
		now, broken = "1.2.3.4/32", errors.New("netlink")
		time.Sleep(householdAge + 1)
		if !inside("84.150.9.9") || inside("1.2.3.4") {
			t.Error("what was known is forgotten when it cannot be read")
		}
	})
}
