package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// A world has one agent that proves what it is offered, and peers at addresses. It lives in a synctest bubble.
type world struct {
	*testing.T
	candidates *Candidates
	sources    map[string]Source
	proofs     map[swarm.Kind]Proof
	log        *slog.Logger
	ctx        context.Context
	going      sync.WaitGroup

	mu      sync.Mutex
	in      map[swarm.InfoHash]bool // the agent's swarms
	consent prefs.Sources
	peers   map[netip.AddrPort]peerAt
	dials   []netip.AddrPort
	conns   []*conn
	story   []string
}

// peerAt is who answers at an address.
type peerAt struct {
	id     swarm.PeerID
	hangs  bool // it takes connections and never shakes hands
	absent bool // from every swarm
}

// conn is a connection on which nothing is said.
type conn struct {
	Conn
	id     swarm.PeerID
	closed bool // guarded by world.mu
	world  *world
}

func (c *conn) PeerID() [20]byte { return c.id }

func (c *conn) Close() error {
	c.world.mu.Lock()
	defer c.world.mu.Unlock()
	c.closed = true
	return nil
}

// inWorld runs a test in a new world, and ends everything in it afterwards.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			T: t, consent: allAuto, in: make(map[swarm.InfoHash]bool), peers: make(map[netip.AddrPort]peerAt),
			sources: make(map[string]Source),
		}
		w.proofs = map[swarm.Kind]Proof{swarm.KindPeer: Handshake{w.dial}}
		w.log = slog.New(swarm.Listen(slog.DiscardHandler, func(e swarm.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.story = append(w.story, e.Text)
		}))
		var err error
		w.candidates, err = NewCandidates(CandidatesConfig{
			Sources: func() prefs.Sources {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.consent
			},
			Member: func(h swarm.InfoHash) bool {
				w.mu.Lock()
				defer w.mu.Unlock()
				return w.in[h]
			},
			Log: w.log,
		})
		if err != nil {
			t.Fatal(err)
		}
		var end context.CancelFunc
		w.ctx, end = context.WithCancel(t.Context())
		test(w)
		end()
		w.going.Wait()
		for _, c := range w.conns {
			if !c.closed {
				t.Error("a connection outlives the prover")
			}
		}
	})
}

// run starts the prover; it ends with the world, or before.
func (w *world) run() context.CancelFunc {
	ctx, cancel := context.WithCancel(w.ctx)
	p := NewProver(ProverConfig{Candidates: w.candidates, Sources: w.sources, Proofs: w.proofs, Log: w.log})
	w.going.Go(func() {
		if err := p.Run(ctx); err != nil {
			w.Error(err)
		}
	})
	return cancel
}

// puts puts a peer into the world.
func (w *world) puts(addr string, p peerAt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[netip.MustParseAddrPort(addr)] = p
}

func (w *world) dial(ctx context.Context, addr netip.AddrPort, _ swarm.InfoHash) (Conn, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.dials = append(w.dials, addr)
	p, ok := w.peers[addr]
	switch {
	case !ok:
		return nil, fmt.Errorf("dial peer: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	case p.hangs:
		w.mu.Unlock()
		<-ctx.Done()
		w.mu.Lock()
		return nil, ctx.Err()
	case p.absent:
		return nil, errors.New("handshake: peer closed the connection")
	}
	c := &conn{id: p.id, world: w}
	w.conns = append(w.conns, c)
	return c, nil
}

// dialled lists all dials so far.
func (w *world) dialled() []netip.AddrPort {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dials)
}

func (w *world) told() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.story, "\n")
}

// hears has the agent hear of swarms from an introducer.
func (w *world) hears(in swarm.Introducer, swarms ...int) {
	w.candidates.Offer(offer(in, swarms...))
	pass(0)
}

func offer(in swarm.Introducer, swarms ...int) Offer {
	o := Offer{By: in}
	for _, n := range swarms {
		o.Entries = append(o.Entries, listed(n))
	}
	return o
}

// pass lets time go by, and everything happen that is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestClaimOfOneWhoIsNotInTheSwarmStaysHearsay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.puts("192.0.2.1:6881", peerAt{absent: true})
		w.hears(agentAt("192.0.2.1:6881"), 2)
		heard := w.told()
		pass(24 * time.Hour)
		if n := len(w.dialled()); n != maxTries {
			t.Errorf("tried %d times", n)
		}
		k, _ := w.candidates.Get(hash(2))
		if k.State != swarm.CandidateHeard || len(w.candidates.Ready()) != 0 || w.told() != heard {
			t.Errorf("%s, story %q", k.State, w.told())
		}
		if k.Reason != "not verified: ebb 0.1.0 (192.0.2.1:6881) did not answer as a peer of this swarm" {
			t.Errorf("reason %q", k.Reason)
		}
	})
}

func TestAnotherPeerAtTheAddressVerifiesNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.puts("192.0.2.1:6881", peerAt{id: agentAt("192.0.2.2:1").PeerID})
		w.hears(agentAt("192.0.2.1:6881"), 2)
		pass(24 * time.Hour)
		k, _ := w.candidates.Get(hash(2))
		if k.State != swarm.CandidateHeard || k.Reason != "not verified: another peer answered at 192.0.2.1:6881" {
			t.Errorf("%s because %q", k.State, k.Reason)
		}
		if n := len(w.dialled()); n != maxTries {
			t.Errorf("tried %d times", n)
		}
	})
}

func TestVerificationIsTriedAgainLater(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		in := agentAt("192.0.2.1:6881")
		w.hears(in, 2) // nobody is there yet
		w.puts("192.0.2.1:6881", peerAt{id: in.PeerID})
		pass(pauses[0] - time.Second)
		if len(w.candidates.Ready()) != 0 {
			t.Error("tried again too soon")
		}
		pass(checkInterval + time.Second)
		if k, _ := w.candidates.Get(hash(2)); k.State != swarm.CandidateVerified || k.Reason != "" {
			t.Errorf("%s because %q", k.State, k.Reason)
		}
	})
}

func TestHostThatIsNotThereIsTriedThreeTimesInAll(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		var many []int
		for i := range 200 {
			many = append(many, 100+i)
		}
		w.hears(agentAt("192.0.2.1:6881"), many...)
		pass(12 * time.Hour)
		if n := len(w.dialled()); n != maxTries {
			t.Errorf("%d dials at a host that is not there", n)
		}
	})
}

func TestProofsAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		for host := range 20 {
			addr := fmt.Sprintf("192.0.%d.1:6881", host)
			w.puts(addr, peerAt{hangs: true})
			w.hears(agentAt(addr), 10*host, 10*host+1, 10*host+2)
		}
		if n := len(w.dialled()); n != maxProving {
			t.Errorf("%d proofs at once", n)
		}
		seen := make(map[netip.AddrPort]bool)
		for _, to := range w.dialled() {
			if seen[to] {
				t.Errorf("%s is dialled twice at once", to)
			}
			seen[to] = true
		}
		pass(dialTimeout)
		if n := len(w.dialled()); n != 2*maxProving {
			t.Errorf("%d dials after the first timed out", n)
		}
	})
}

func TestSwarmJoinedMeanwhileIsNotVerified(t *testing.T) {
	inWorld(t, func(w *world) {
		in := agentAt("192.0.2.1:6881")
		w.puts("192.0.2.1:6881", peerAt{id: in.PeerID})
		w.hears(in, 2)
		w.mu.Lock()
		w.in[hash(2)] = true
		w.mu.Unlock()
		w.run()
		pass(time.Minute)
		if n := len(w.dialled()); n != 0 || state(t, w.candidates, hash(2)) != "gone" {
			t.Errorf("%d dials, and it is %s", n, state(t, w.candidates, hash(2)))
		}
	})
}

func TestOurOwnEndIsNoFailureOfTheIntroducer(t *testing.T) {
	inWorld(t, func(w *world) {
		w.puts("192.0.2.1:6881", peerAt{hangs: true})
		cancel := w.run()
		w.hears(agentAt("192.0.2.1:6881"), 2)
		cancel()
		pass(0)
		if k, _ := w.candidates.Get(hash(2)); k.Reason != "" {
			t.Errorf("reason %q", k.Reason)
		}
	})
}
