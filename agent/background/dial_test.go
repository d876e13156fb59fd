package background

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"ebb/agent/swarm"
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

func TestCandidateIsServedOnTheConnectionThatProvedIt(t *testing.T) {
	c := makeContent(t, 6, false)
	us, seed := newAgent(t, 1<<30), newScripted(t, c)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := us.port.Dial(ctx, seed.addr(), c.info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	us.mu.Lock()
	us.proven = conn
	us.ready = []swarm.Candidate{{
		Hash: c.info.Hash, Health: swarm.Health{Seeds: 1, Leechers: 2, Copies: 1},
		Introducers: []swarm.Introducer{{Kind: swarm.KindPeer, Addr: seed.addr()}},
	}}
	us.mu.Unlock()
	us.wait("all fragments", func() bool { return us.holds(c, 6) })
	seed.mu.Lock()
	defer seed.mu.Unlock()
	if seed.joined != 1 {
		t.Errorf("the introducer was connected to %d times", seed.joined)
	}
}

func TestPeerWhoseConnectionWasHandedOverIsNotDialledBesides(t *testing.T) {
	c := makeContent(t, 2, false)
	d := newAgent(t, 1<<30).direct(c)
	other := newScripted(t, c)
	d.book.add(other.addr()) // as one of the addresses to start from
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := d.us.port.Dial(ctx, other.addr(), c.info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{conn: conn, addr: other.addr(), peerChoking: true, amChoking: true, connected: time.Now()}
	d.handleJoined(p)
	if d.dial(time.Now()); d.book.dialing != 0 {
		t.Errorf("%d are dialled beside the connection that was handed over", d.book.dialing)
	}
	d.handleParted(p)
	if _, again := d.book.due(time.Now().Add(redialInterval)); again == nil {
		t.Error("its address is forgotten when it has gone")
	}
	conn.Close()
	<-conn.Done()
}
