package background

import (
	"fmt"
	"net/netip"
	"testing"
	"time"
)

func addr(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

func TestAddressThatFailsIsTriedLessAndLessAndThenForgotten(t *testing.T) {
	b := newAddressBook()
	a := addr("192.0.2.1:6881")
	b.add(a)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for failure := range maxFailures {
		got, entry := b.due(now)
		if got != a || entry == nil {
			t.Fatalf("after %d failures the address is not due", failure)
		}
		b.failed(a, now)
		if _, early := b.due(now.Add(firstRetry<<failure - time.Second)); early != nil {
			t.Errorf("after %d failures it is tried again too soon", failure+1)
		}
		now = now.Add(firstRetry << failure)
	}
	if _, entry := b.due(now.Add(24 * time.Hour)); entry != nil {
		t.Error("the address is still known after too many failures")
	}
}

func TestConnectedAddressIsNotDialledAgainUntilItHasParted(t *testing.T) {
	b := newAddressBook()
	a := addr("192.0.2.1:6881")
	b.add(a)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	_, entry := b.due(now)
	entry.connected = true
	if _, again := b.due(now.Add(time.Hour)); again != nil {
		t.Error("a connected address is due")
	}
	b.parted(a, now)
	if _, again := b.due(now.Add(redialInterval - time.Second)); again != nil {
		t.Error("an address is due right after its connection ended")
	}
	if _, again := b.due(now.Add(redialInterval)); again == nil {
		t.Error("an address never becomes due again")
	}
}

func TestBannedHostStaysOut(t *testing.T) {
	b := newAddressBook()
	b.add(addr("192.0.2.1:1"))
	b.add(addr("192.0.2.1:2"))
	b.add(addr("192.0.2.2:1"))
	b.ban(netip.MustParseAddr("192.0.2.1"))
	b.add(addr("192.0.2.1:3"))
	b.add(addr("[::ffff:192.0.2.1]:4")) // the same host, as IPv6 writes it
	if len(b.entries) != 1 {
		t.Errorf("%d addresses are known, want that of the other host only", len(b.entries))
	}
}

func TestAddressBookIsBounded(t *testing.T) {
	b := newAddressBook()
	for i := range 3 * maxAddresses {
		b.add(addr(fmt.Sprintf("10.%d.%d.1:6881", i/256, i%256)))
		b.ban(netip.AddrFrom4([4]byte{11, byte(i >> 8), byte(i), 1}))
	}
	b.add(addr("192.0.2.1:0")) // nobody listens on port 0
	if len(b.entries) != maxAddresses || len(b.banned) != maxBanned {
		t.Errorf("%d addresses and %d bans, want %d and %d", len(b.entries), len(b.banned), maxAddresses, maxBanned)
	}
}
