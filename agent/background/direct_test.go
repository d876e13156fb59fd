package background

import (
	"context"
	"testing"
	"time"

	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// direct is a live swarm without its goroutine: the test hands it one event
// after the other, at the times that it wants.
type direct struct {
	*live
	t       testing.TB
	content content
	us      *agent
}

// direct makes a live swarm for a content whose metadata is known.
func (a *agent) direct(c content) *direct {
	a.t.Helper()
	if err := a.store.PutMetadata(c.info.Hash, c.raw); err != nil {
		a.t.Fatal(err)
	}
	d := a.directByHash(c)
	if d.info == nil {
		a.t.Fatal("the metadata was not taken up")
	}
	return d
}

// directByHash makes a live swarm that has to ask for the metadata.
func (a *agent) directByHash(c content) *direct {
	a.t.Helper()
	s := newMembership(c.info.Hash, Record{
		Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindOwner}}, Health: swarm.Health{Seeds: 1, Leechers: 1}, Joined: time.Now(),
	}, swarm.Health{Seeds: 1, Leechers: 1})
	d := &direct{live: newLive(context.Background(), a.engine, s), t: a.t, content: c, us: a}
	s.life, s.run = lifeLive, d.live
	d.load()
	a.t.Cleanup(d.end)
	return d
}

// meet connects a peer that does nothing but hear what it is told.
func (d *direct) meet() (*peer, *scripted) {
	d.t.Helper()
	other := newScripted(d.t, d.content)
	other.heard = make(chan peerwire.Message, 1000)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c, err := d.us.port.Dial(ctx, other.addr(), d.content.info.Hash)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() {
		c.Close()
		<-c.Done()
	})
	p := &peer{conn: c, peerChoking: true, amChoking: true, connected: time.Now()}
	d.handleJoined(p)
	return p, other
}

// seed connects a peer that has everything and lets us have it.
func (d *direct) seed() (*peer, *scripted) {
	d.t.Helper()
	p, other := d.meet()
	d.hear(p, peerwire.Message{Type: peerwire.HaveAll}, peerwire.Message{Type: peerwire.Unchoke})
	return p, other
}

// hear has the swarm take messages of a peer.
func (d *direct) hear(p *peer, messages ...peerwire.Message) {
	d.t.Helper()
	for _, m := range messages {
		if !d.dispatch(p, m) {
			d.t.Fatalf("%v was taken for a breach of the protocol", m.Type)
		}
	}
}

// block is the answer to a request.
func (d *direct) block(index, begin uint32) peerwire.Message {
	data := d.content.piece(int(index))[begin:]
	return peerwire.Message{Type: peerwire.Piece, Index: index, Begin: begin, Block: data[:min(len(data), peerwire.BlockSize)]}
}

// settle waits for the commits under way.
func (d *direct) settle() {
	d.t.Helper()
	for d.committing() {
		select {
		case c := <-d.committed:
			d.handleCommitted(c)
		case <-time.After(deadline):
			d.t.Fatalf("waited %v for a commit", deadline)
		}
	}
}

func (d *direct) committing() bool {
	for _, f := range d.fetches {
		if f.got.Count() == f.got.Len() {
			return true
		}
	}
	return false
}

// heardNext waits until the peer has heard a message of a type.
func (p *scripted) heardNext(kind peerwire.MessageType) peerwire.Message {
	p.t.Helper()
	m, ok := p.next(kind.String(), func(m peerwire.Message) bool { return m.Type == kind })
	if !ok {
		p.t.Fatalf("the connection ended before %v", kind)
	}
	return m
}
