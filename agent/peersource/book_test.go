package peersource

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func TestAddressThatFailsIsTriedLessAndLessAndThenForgotten(t *testing.T) {
	b := NewBook()
	a := netip.MustParseAddrPort("192.0.2.1:6881")
	b.Add(a)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for failure := range maxFailures {
		got, ok := b.Due(now)
		if got != a || !ok {
			t.Fatalf("after %d failures the address is not due", failure)
		}
		b.Failed(a, now)
		if _, early := b.Due(now.Add(firstRetry<<failure - time.Second)); early {
			t.Errorf("after %d failures it is tried again too soon", failure+1)
		}
		now = now.Add(firstRetry << failure)
	}
	if _, ok := b.Due(now.Add(24 * time.Hour)); ok {
		t.Error("the address is still known after too many failures")
	}
}

func TestConnectedAddressIsNotDialledAgainUntilItHasParted(t *testing.T) {
	b := NewBook()
	a := netip.MustParseAddrPort("192.0.2.1:6881")
	b.Add(a)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	b.Met(a)
	if _, again := b.Due(now.Add(time.Hour)); again {
		t.Error("a connected address is due")
	}
	b.Parted(a, now)
	if _, again := b.Due(now.Add(RedialInterval - time.Second)); again {
		t.Error("an address is due right after its connection ended")
	}
	if _, again := b.Due(now.Add(RedialInterval)); !again {
		t.Error("an address never becomes due again")
	}
}

func TestBannedHostStaysOut(t *testing.T) {
	b := NewBook()
	b.Add(netip.MustParseAddrPort("192.0.2.1:1"))
	b.Add(netip.MustParseAddrPort("192.0.2.1:2"))
	b.Add(netip.MustParseAddrPort("192.0.2.2:1"))
	b.Ban(netip.MustParseAddr("192.0.2.1"))
	b.Add(netip.MustParseAddrPort("192.0.2.1:3"))
	b.Add(netip.MustParseAddrPort("[::ffff:192.0.2.1]:4")) // the same host, as IPv6 writes it
	if len(b.entries) != 1 {
		t.Errorf("%d addresses are known, want that of the other host only", len(b.entries))
	}
}

func TestAddressBookIsBounded(t *testing.T) {
	b := NewBook()
	for i := range 3 * maxAddresses {
		b.Add(netip.MustParseAddrPort(fmt.Sprintf("10.%d.%d.1:6881", i/256, i%256)))
		b.Ban(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}))
	}
	b.Add(netip.MustParseAddrPort("192.0.2.1:0")) // nobody listens on port 0
	if len(b.entries) != maxAddresses || len(b.banned) != maxBanned {
		t.Errorf("%d addresses and %d bans, want %d and %d", len(b.entries), len(b.banned), maxAddresses, maxBanned)
	}
}
