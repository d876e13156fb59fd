package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// target is what is attacked.
type target struct {
	addr     netip.AddrPort
	held     swarm.InfoHash // a swarm of which ebb holds everything
	pieces   uint32         // of it
	wanted   swarm.InfoHash // one of which it holds nothing, and the attackers say to have everything
	nameless swarm.InfoHash // one whose metadata it does not know
	dormant  []swarm.InfoHash
}

// attack is something that strangers do. move does it once, from one address, which may take a while, and says whether
// ebb let it; it ends with ctx.
type attack struct {
	name  string
	hands int           // how many do it at a time, from each address
	pause time.Duration // of each, after a move
	move  func(ctx context.Context, t target, from netip.Addr) error

	moves, refused atomic.Int64
}

func attacks() []*attack {
	return []*attack{
		{name: "rejects", hands: 1, pause: time.Second, move: rejects},
		{name: "idle connections", hands: 4, pause: time.Second, move: idle},
		{name: "half-open handshakes", hands: 2, pause: time.Second, move: halfOpen},
		{name: "key exchanges", hands: 1, pause: time.Second, move: keyExchange},
		{name: "metadata not read", hands: 2, pause: time.Second, move: unreadMetadata},
		{name: "haves before metadata", hands: 1, pause: time.Second, move: haves},
		{name: "HaveAll again and again", hands: 1, pause: time.Second, move: haveAll},
		{name: "wakes", hands: 1, pause: time.Second, move: wake},
		{name: "small requests", hands: 1, pause: time.Second, move: smallRequests},
		{name: "DHT queries", hands: 1, pause: time.Second, move: queries},
	}
}

// assault does all attacks from all addresses, until ctx ends.
func assault(ctx context.Context, all []*attack, t target, from []netip.Addr) {
	var hands sync.WaitGroup
	for _, a := range all {
		for _, addr := range from {
			for range a.hands {
				hands.Go(func() {
					for ctx.Err() == nil {
						a.moves.Add(1)
						if err := a.move(ctx, t, addr); err != nil {
							a.refused.Add(1)
						}
						select {
						case <-time.After(a.pause):
						case <-ctx.Done():
						}
					}
				})
			}
		}
	}
	hands.Wait()
}

// rejects says that it has everything, and rejects what it is asked for.
func rejects(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.wanted)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(append(message(peerwire.HaveAll), message(peerwire.Unchoke)...)); err != nil {
		return err
	}
	for {
		kind, body, err := w.next()
		if err != nil {
			return err
		}
		if kind == peerwire.Request {
			reject := message(peerwire.Reject, 0, 0, 0)
			copy(reject[5:], body)
			if _, err := w.Write(reject); err != nil {
				return err
			}
		}
	}
}

// idle takes a place and does nothing with it but stay.
func idle(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.held)
	if err != nil {
		return err
	}
	defer w.Close()
	go w.swallow()
	for {
		select {
		case <-time.After(5 * time.Second):
		case <-ctx.Done():
			return nil
		}
		if _, err := w.Write(make([]byte, 4)); err != nil { // keep-alive
			return err
		}
	}
}

// halfOpen connects and says nothing, or half of something.
func halfOpen(ctx context.Context, t target, from netip.Addr) error {
	w, err := connect(ctx, from, t.addr)
	if err != nil {
		return err
	}
	defer w.Close()
	w.SetDeadline(time.Now().Add(time.Minute))
	if _, err := w.Write([]byte("\x13BitTorrent pro")); err != nil {
		return err
	}
	w.swallow()
	return nil
}

// keyExchange has a key computed, and goes on with noise.
func keyExchange(ctx context.Context, t target, from netip.Addr) error {
	w, err := connect(ctx, from, t.addr)
	if err != nil {
		return err
	}
	defer w.Close()
	w.SetDeadline(time.Now().Add(10 * time.Second))
	noise := make([]byte, 96+512+100)
	_, _ = rand.Read(noise)
	if _, err := w.Write(noise); err != nil {
		return err
	}
	w.swallow()
	return nil
}

// unreadMetadata asks for metadata, and never reads a byte of it.
func unreadMetadata(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.held)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(extended(0, "d1:md11:ut_metadatai1eee")); err != nil {
		return err
	}
	for n := 0; ; n++ {
		// ebb's number for it is 1 or another low one: all are tried.
		for number := byte(1); number < 6; number++ {
			if _, err := w.Write(extended(number, fmt.Sprintf("d8:msg_typei0e5:piecei%dee", n%4))); err != nil {
				return err
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// haves tells of pieces that nobody knows to exist.
func haves(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.nameless)
	if err != nil {
		return err
	}
	defer w.Close()
	go w.swallow()
	for index := uint32(0); ; index += 1000 {
		var many []byte
		for i := range uint32(1000) {
			many = append(many, message(peerwire.Have, (index+i)*7919%peerwire.MaxPieces)...)
		}
		if _, err := w.Write(many); err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// haveAll says so again and again, and takes it back.
func haveAll(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.held)
	if err != nil {
		return err
	}
	defer w.Close()
	go w.swallow()
	var many []byte
	for range 100 {
		many = append(append(many, message(peerwire.HaveAll)...), message(peerwire.HaveNone)...)
	}
	for {
		if _, err := w.Write(many); err != nil {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// wake makes swarms live that sleep, one after the other, and leaves them at once.
func wake(ctx context.Context, t target, from netip.Addr) error {
	for _, h := range t.dormant {
		w, err := greet(ctx, from, t.addr, h)
		if err != nil {
			return err
		}
		w.Close()
	}
	return nil
}

// smallRequests asks for single bytes, as many as are answered.
func smallRequests(ctx context.Context, t target, from netip.Addr) error {
	w, err := greet(ctx, from, t.addr, t.held)
	if err != nil {
		return err
	}
	defer w.Close()
	if _, err := w.Write(append(message(peerwire.HaveNone), message(peerwire.Interested)...)); err != nil {
		return err
	}
	var many []byte
	for i := range uint32(200) {
		many = append(many, message(peerwire.Request, i*31%t.pieces, i, 1)...)
	}
	for {
		kind, _, err := w.next()
		if err != nil {
			return err
		}
		if kind == peerwire.Unchoke {
			break
		}
	}
	go w.swallow()
	for {
		if _, err := w.Write(many); err != nil {
			return err
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

// queries asks ebb's DHT node for the peers of torrents and for nodes, and tells it nonsense.
func queries(ctx context.Context, t target, from netip.Addr) error {
	local := net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0))
	c, err := net.DialUDP("udp", local, net.UDPAddrFromAddrPort(t.addr))
	if err != nil {
		return err
	}
	defer c.Close()
	id := make([]byte, 20)
	for range 100 {
		_, _ = rand.Read(id)
		for _, query := range []string{
			fmt.Sprintf("d1:ad2:id20:%s9:info_hash20:%se1:q9:get_peers1:t2:aa1:y1:qe", id, t.held[:]),
			fmt.Sprintf("d1:ad2:id20:%s6:target20:%s4:wantl2:n42:n6ee1:q9:find_node1:t2:aa1:y1:qe", id, id),
			fmt.Sprintf("d1:ad2:id20:%se1:q4:ping1:t2:aa1:y1:qe", id),
			string(id),
		} {
			if _, err := c.Write([]byte(query)); err != nil {
				return err
			}
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}
