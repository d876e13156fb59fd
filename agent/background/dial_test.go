package background

import (
	"context"
	"net/netip"
	"testing"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/swarm"
)

func addr(text string) netip.AddrPort { return netip.MustParseAddrPort(text) }

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
	d.book.Add(other.addr()) // as one of the addresses to start from
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, err := d.us.port.Dial(ctx, other.addr(), c.info.Hash)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{conn: conn, addr: other.addr(), peerChoking: true, amChoking: true, connected: time.Now()}
	d.handleJoined(p)
	if d.dial(time.Now()); d.book.Dialing != 0 {
		t.Errorf("%d are dialled beside the connection that was handed over", d.book.Dialing)
	}
	d.handleParted(p)
	if _, again := d.book.Due(time.Now().Add(peersource.RedialInterval)); !again {
		t.Error("its address is forgotten when it has gone")
	}
	conn.Close()
	<-conn.Done()
}
