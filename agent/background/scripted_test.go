package background

import (
	"context"
	"iter"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
)

// scripted is a peer that does as a test wants: it says that it has all of a
// content, tells its metadata, and serves its blocks, or rubbish.
type scripted struct {
	t       testing.TB
	content content
	corrupt bool
	port    *peerwire.Port
	conn    *peerwire.Conn        // that it dialled
	heard   chan peerwire.Message // what came; closed when the connection ends

	mu     sync.Mutex
	joined int // connections that came to it
	left   int // of these, ended
}

func newScripted(t testing.TB, c content) *scripted {
	t.Helper()
	return newScriptedAt(t, c, "127.0.0.1")
}

// newScriptedAt is a peer whose host has another address.
func newScriptedAt(t testing.TB, c content, host string) *scripted {
	t.Helper()
	return newScriptedAs(t, c, host, peerwire.NewPeerID("9.9.9"))
}

func newScriptedAs(t testing.TB, c content, host string, id [20]byte) *scripted {
	t.Helper()
	p := &scripted{t: t, content: c}
	var err error
	p.port, err = peerwire.Listen(host+":0", peerwire.Config{
		PeerID: id, Client: "scripted", Local: netip.MustParseAddr(host),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { p.port.Serve(ctx, p) })
	t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	return p
}

func (p *scripted) addr() netip.AddrPort { return p.port.Addr() }

func (p *scripted) InfoHashes() iter.Seq[swarm.InfoHash] {
	return func(yield func(swarm.InfoHash) bool) { yield(p.content.info.Hash) }
}
func (p *scripted) Knows(h swarm.InfoHash) bool { return h == p.content.info.Hash }

// Incoming plays a seed, or only listens if it was given where to put what it hears.
func (p *scripted) Incoming(_ context.Context, c *peerwire.Conn) {
	p.count(&p.joined)
	defer p.count(&p.left)
	if p.heard != nil && p.first() {
		c.SendExtensionHandshake(peerwire.Extensions{V: "scripted", MetadataSize: int64(len(p.content.raw))})
		p.listen(c)
		return
	}
	c.Send(peerwire.Message{Type: peerwire.HaveAll})
	c.SendExtensionHandshake(peerwire.Extensions{V: "scripted", MetadataSize: int64(len(p.content.raw))})
	c.Send(peerwire.Message{Type: peerwire.Unchoke})
	for {
		m, err := c.Read()
		if err != nil {
			return
		}
		switch {
		case m.Type == peerwire.Request:
			block := append([]byte(nil), p.content.piece(int(m.Index))[m.Begin:m.Begin+m.Length]...)
			if p.corrupt {
				block[0] ^= 1
			}
			c.SendBlock(peerwire.BlockRequest{Index: m.Index, Begin: m.Begin, Length: m.Length, Source: func() (peerwire.BlockSource, error) {
				return memory{block, int64(m.Begin)}, nil
			}})
		case m.Type == peerwire.Extended && m.Name == peerwire.ExtensionMetadata:
			if asked, err := peerwire.ParseMetadataMessage(m.Payload); err == nil && asked.Kind == peerwire.MetadataRequest {
				c.SendExtended(peerwire.ExtensionMetadata, peerwire.MetadataReply(p.content.raw, asked.Piece))
			}
		}
		m.Recycle()
	}
}

// memory is a block that lies at an offset of its piece.
type memory struct {
	block []byte
	begin int64
}

func (m memory) ReadAt(b []byte, off int64) (int, error) { return copy(b, m.block[off-m.begin:]), nil }
func (m memory) Close() error                            { return nil }
func (m memory) File() *os.File                          { return nil }

func (p *scripted) count(n *int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	*n++
}

// first reports whether only one connection has come so far; only that is listened to.
func (p *scripted) first() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.joined == 1 }

// met reports whether anybody connected; ended, whether somebody who did has gone.
func (p *scripted) met() bool   { p.mu.Lock(); defer p.mu.Unlock(); return p.joined > 0 }
func (p *scripted) ended() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.left > 0 }

// dial connects to an agent, in the content's swarm.
func (p *scripted) dial(a *agent) *scripted {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	c, err := p.port.Dial(ctx, a.port.Addr(), p.content.info.Hash)
	if err != nil {
		p.t.Fatal(err)
	}
	p.conn, p.heard = c, make(chan peerwire.Message, 1000)
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.listen(c)
	}()
	p.t.Cleanup(func() {
		c.Close()
		<-done
	})
	return p
}

// listen keeps all that comes on a connection, until it ends.
func (p *scripted) listen(c *peerwire.Conn) {
	defer close(p.heard)
	for {
		m, err := c.Read()
		if err != nil {
			return
		}
		m.Block = append([]byte(nil), m.Block...)
		p.heard <- m
	}
}

// next waits for a message that fits; ok is false if the connection ended.
func (p *scripted) next(what string, fits func(peerwire.Message) bool) (peerwire.Message, bool) {
	p.t.Helper()
	late := time.After(deadline)
	for {
		select {
		case m, ok := <-p.heard:
			if !ok || fits(m) {
				return m, ok
			}
		case <-late:
			p.t.Fatalf("waited %v for %s", deadline, what)
		}
	}
}

// unchoked says that we are interested and waits to be served.
func (p *scripted) unchoked() {
	p.t.Helper()
	p.conn.Send(peerwire.Message{Type: peerwire.HaveNone})
	p.conn.Send(peerwire.Message{Type: peerwire.Interested})
	if _, ok := p.next("an unchoke", func(m peerwire.Message) bool { return m.Type == peerwire.Unchoke }); !ok {
		p.t.Fatal("the connection ended before an unchoke")
	}
}

// fetch asks for a block; nil if it is rejected, or the connection ends.
func (p *scripted) fetch(index, begin, length uint32) []byte {
	p.t.Helper()
	if p.conn.Send(peerwire.Message{Type: peerwire.Request, Index: index, Begin: begin, Length: length}) != nil {
		return nil
	}
	m, ok := p.next("a block", func(m peerwire.Message) bool {
		return (m.Type == peerwire.Piece || m.Type == peerwire.Reject) && m.Index == index && m.Begin == begin
	})
	if !ok || m.Type == peerwire.Reject {
		return nil
	}
	return m.Block
}

// expectEnd waits for the other side to hang up.
func (p *scripted) expectEnd() {
	p.t.Helper()
	p.next("the connection to end", func(peerwire.Message) bool { return false })
}

// find tells the agent's engine of a peer, as its announcer would.
func (a *agent) find(c content, addr netip.AddrPort) {
	a.t.Helper()
	a.mu.Lock()
	found := a.found[c.info.Hash]
	a.mu.Unlock()
	found(peersource.Result{Hash: c.info.Hash, Peers: []netip.AddrPort{addr}, Seeds: -1, Leechers: -1})
}

// damage changes a byte of a fragment on the disk, and makes the last stop an unclean one, as a crash would.
func (a *agent) damage(c content, piece int) {
	a.t.Helper()
	h := c.info.Hash.String()
	path := filepath.Join(a.dir, "fragments", h[:2], h, strconv.Itoa(piece))
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		a.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{^c.piece(piece)[7]}, 7); err != nil {
		a.t.Fatal(err)
	}
	a.spoil()
}

// spoil takes away the mark of a clean stop.
func (a *agent) spoil() {
	a.t.Helper()
	if err := os.Remove(filepath.Join(a.dir, "fragments.db.clean")); err != nil {
		a.t.Fatal(err)
	}
}
