package rendezvous

import (
	"context"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// node is an agent's discovery on a real peer port. It is in the foreground swarms that its Rendezvous knows, and in
// the background swarms in helps.
type node struct {
	id         [20]byte
	port       *peerwire.Port
	rendezvous *Rendezvous
	candidates *discovery.Candidates
	helps      []discovery.Entry
	told       chan string // kinds of the story's sentences
	found      func(peersource.Result)
}

func (n *node) Add(t peersource.Torrent) { n.found = t.Found }
func (n *node) Remove(swarm.InfoHash)    {}

func (n *node) Knows(h swarm.InfoHash) bool {
	return n.rendezvous.Knows(h) || slices.ContainsFunc(n.helps, func(e discovery.Entry) bool { return e.Hash == h })
}

func (n *node) InfoHashes() iter.Seq[swarm.InfoHash] {
	all := slices.Collect(n.rendezvous.InfoHashes())
	for _, e := range n.helps {
		all = append(all, e.Hash)
	}
	return slices.Values(all)
}

func (n *node) Incoming(ctx context.Context, c *peerwire.Conn) {
	if n.rendezvous.Knows(c.InfoHash()) {
		n.rendezvous.HandleConn(ctx, c, c.InfoHash())
		return
	}
	for {
		if _, err := c.Read(); err != nil {
			return
		}
	}
}

// newNode starts an agent at a loopback address; it ends with the test.
func newNode(t *testing.T, addr string, how peerwire.DialEncryption, helps ...discovery.Entry) *node {
	t.Helper()
	n := &node{id: peerwire.NewPeerID("0.1.0"), helps: helps, told: make(chan string, 16)}
	port, err := peerwire.Listen(addr+":0", peerwire.Config{
		PeerID: n.id, Client: "ebb " + addr, Local: netip.MustParseAddr(addr), DialEncryption: how,
	})
	if err != nil {
		t.Fatal(err)
	}
	n.port = port
	log := slog.New(swarm.Listen(slog.DiscardHandler, func(e swarm.Event) { n.told <- e.Kind }))
	if n.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources { return prefs.Sources{Peers: prefs.ModeAuto} }, Member: n.Knows, Log: log,
	}); err != nil {
		t.Fatal(err)
	}
	n.rendezvous = New(Config{
		Announcer: n, Dialer: discovery.DialPort(port), Port: port.Addr().Port(),
		Candidates: n.candidates,
		Lists: discovery.NewLists(n.candidates, func() []discovery.Entry { return helps },
			peersource.Guard{AllowPrivate: true}.CheckURL),
		Log: log,
	})
	prover := discovery.NewProver(discovery.ProverConfig{
		Candidates: n.candidates,
		Sources:    map[string]discovery.Source{"rendezvous": n.rendezvous},
		Proofs:     map[swarm.Kind]discovery.Proof{swarm.KindPeer: discovery.Handshake{Dialer: discovery.DialPort(port)}},
		Log:        log,
	})
	n.rendezvous.SetForeground([]Foreground{public(swarmA)})

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := port.Serve(ctx, n); err != nil {
			t.Error(err)
		}
	})
	running.Go(func() {
		if err := prover.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return n
}

// hears waits for a sentence of the story.
func (n *node) hears(t *testing.T, kind string) {
	t.Helper()
	select {
	case got := <-n.told:
		if got != kind {
			t.Fatalf("told %q, want %q", got, kind)
		}
	case <-time.After(20 * time.Second):
		t.Fatalf("never told %q", kind)
	}
}

func TestDiscoveryOverRealConnections(t *testing.T) {
	for name, how := range map[string]peerwire.DialEncryption{"plain": peerwire.PlainOnly, "encrypted": peerwire.EncryptedOnly} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newNode(t, "127.0.30.1", how, listed(swarmB))
			y := newNode(t, "127.0.30.2", how, listed(swarmC))
			y.found(peersource.Result{Peers: []netip.AddrPort{y.port.Addr(), x.port.Addr()}})
			for _, n := range []*node{x, y} {
				n.hears(t, discovery.ToldHeard)
				n.hears(t, discovery.ToldVerified)
			}
			for _, c := range []struct {
				who, from *node
				swarm     int
			}{{y, x, swarmB}, {x, y, swarmC}} {
				ready := c.who.candidates.Ready()
				if len(ready) != 1 || ready[0].Hash != hash(c.swarm) {
					t.Fatalf("ready: %+v", ready)
				}
				in := ready[0].Introducer()
				if in.Addr != c.from.port.Addr() || in.PeerID != c.from.id || in.Client != "ebb "+c.from.port.Addr().Addr().String() {
					t.Errorf("introducer: %+v", in)
				}
				// The swarm may be joined on the very connection on which it was proven.
				conn := c.who.candidates.Joined(hash(c.swarm))
				if conn == nil {
					t.Fatal("the connection was not kept")
				}
				defer conn.Close()
				if conn.InfoHash() != hash(c.swarm) || conn.RemoteAddr() != c.from.port.Addr() || conn.Incoming() {
					t.Errorf("handed over a connection to %s in %s", conn.RemoteAddr(), conn.InfoHash())
				}
				if err := conn.Send(peerwire.Message{Type: peerwire.Interested}); err != nil {
					t.Errorf("saying something on it: %v", err)
				}
				if c.who.candidates.Joined(hash(c.swarm)) != nil {
					t.Error("handed over twice")
				}
			}
		})
	}
}
