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
	"sync/atomic"
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

// open counts the connections that are open.
func (w *world) open() (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		if !c.closed {
			n++
		}
	}
	return n
}

// meets has the agent hear of swarms from agents that are in them, one each.
func (w *world) meets(swarms ...int) {
	for _, n := range swarms {
		in := agentAt(fmt.Sprintf("192.0.%d.1:6881", n))
		w.puts(in.Addr.String(), peerAt{id: in.PeerID})
		w.hears(in, n)
	}
}

func TestConnectionOfAProofWaitsHalfAMinuteForTheEngine(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.meets(1)
		pass(openFor - time.Second)
		if n := w.open(); n != 1 || len(w.candidates.Ready()) != 1 {
			t.Errorf("%d connections wait for the engine", n)
		}
		pass(time.Second)
		if n := w.open(); n != 0 || len(w.candidates.Ready()) != 1 {
			t.Errorf("%d connections still wait", n)
		}
	})
}

func TestConnectionsThatWaitForTheEngineAreBounded(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		var many []int
		for i := range maxOpen + 5 {
			many = append(many, i)
		}
		w.meets(many...)
		if n := w.open(); n != maxOpen || len(w.candidates.Ready()) != len(many) {
			t.Errorf("%d connections wait for the engine", n)
		}
		w.candidates.Joined(hash(0))
		w.meets(100)
		if n := w.open(); n != maxOpen {
			t.Errorf("%d connections after one made room", n)
		}
		pass(openFor)
		w.meets(101)
		if n := w.open(); n != 1 {
			t.Errorf("%d connections after all had waited", n)
		}
	})
}

func TestConnectionOfACandidateThatIsNotToBeJoinedIsClosed(t *testing.T) {
	for name, no := range map[string]func(*world){
		"refused by the engine": func(w *world) { w.candidates.Refused(hash(1), "", private) },
		"vetoed":                func(w *world) { _ = w.candidates.Veto(hash(1), "", time.Now()) },
		"in it otherwise": func(w *world) {
			w.mu.Lock()
			w.in[hash(1)] = true
			w.mu.Unlock()
			w.candidates.Dismiss(hash(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.run()
				w.meets(1)
				if n := w.open(); n != 1 {
					t.Fatalf("%d connections wait for the engine", n)
				}
				no(w)
				if n := w.open(); n != 0 || w.candidates.open != 0 {
					t.Errorf("%d connections still wait, %d by the table", n, w.candidates.open)
				}
			})
		})
	}
	inWorld(t, func(w *world) {
		w.consent.Peers = prefs.ModeAsk
		w.run()
		w.meets(1)
		if n := w.open(); n != 0 || state(t, w.candidates, hash(1)) != swarm.CandidateWaiting {
			t.Errorf("%d connections wait for the owner's yes, which may take days", n)
		}
	})
}

func TestConnectionsAreClosedWhenTheProverEnds(t *testing.T) {
	inWorld(t, func(w *world) {
		cancel := w.run()
		w.meets(1, 2)
		cancel()
		pass(0)
		if n := w.open(); n != 0 {
			t.Errorf("%d connections are left", n)
		}
	})
}

// feed is a source, and the proof of what it lists: it knows which swarms are alive.
type feed struct {
	lists func(Offer)
	offer Offer
	err   error // with which it ends; nil to go on
	alive map[swarm.InfoHash]bool
}

func (f feed) Run(ctx context.Context) error {
	f.lists(f.offer)
	if f.err == nil {
		<-ctx.Done()
	}
	return f.err
}

func (f feed) Possible(c Claim) bool { return c.Entry.Hash != hash(13) }

func (f feed) Prove(_ context.Context, c Claim) (Evidence, error) {
	if !f.alive[c.Entry.Hash] {
		return Evidence{}, errors.New("nobody is there")
	}
	return Evidence{Text: "somebody is in " + c.Entry.label() + ", which " + c.Client + " lists"}, nil
}

// theFeed is an introducer without an address.
var theFeed = swarm.Introducer{Kind: swarm.KindFeed, Client: "Linux"}

func TestClaimsOfAnotherKindAreProvenInTheirOwnWay(t *testing.T) {
	inWorld(t, func(w *world) {
		f := feed{lists: w.candidates.Offer, offer: offer(theFeed, 1, 2, 3, 13), alive: map[swarm.InfoHash]bool{hash(1): true, hash(3): true}}
		w.sources["feed"], w.proofs[swarm.KindFeed] = f, f
		w.run()
		pass(0)
		for n, want := range map[int]swarm.CandidateState{
			1: swarm.CandidateVerified, 2: swarm.CandidateHeard, 3: swarm.CandidateVerified, 13: swarm.CandidateHeard,
		} {
			if got := state(t, w.candidates, hash(n)); got != want {
				t.Errorf("swarm %d is %s, want %s", n, got, want)
			}
		}
		if k, _ := w.candidates.Get(hash(2)); k.Reason != "not verified: nobody is there" {
			t.Errorf("reason %q", k.Reason)
		}
		if k, _ := w.candidates.Get(hash(1)); k.Rule != `sources.feeds = "auto"` || k.Introducer().Client != "Linux" {
			t.Errorf("%+v", k)
		}
		if len(w.dialled()) != 0 || !strings.Contains(w.told(), "verified: somebody is in swarm 1, which Linux lists") {
			t.Errorf("%d dials; the story is\n%s", len(w.dialled()), w.told())
		}
		if conn := w.candidates.Joined(hash(1)); conn != nil {
			t.Error("a connection came from nowhere")
		}
	})
}

// endless is a proof that never comes to an end by itself.
type endless struct{ begun *atomic.Int32 }

func (endless) Possible(Claim) bool { return true }

func (e endless) Prove(ctx context.Context, _ Claim) (Evidence, error) {
	e.begun.Add(1)
	<-ctx.Done()
	return Evidence{}, ctx.Err()
}

func TestClaimsOfOneFeedAreProvenSideBySide(t *testing.T) {
	inWorld(t, func(w *world) {
		var begun atomic.Int32
		w.proofs[swarm.KindFeed] = endless{&begun}
		w.run()
		w.hears(theFeed, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10)
		if n := begun.Load(); n != maxProving {
			t.Errorf("%d proofs of what a feed lists under way, want %d", n, maxProving)
		}
	})
}

func TestKindWithoutAProofStaysHearsay(t *testing.T) {
	inWorld(t, func(w *world) {
		w.run()
		w.hears(theFeed, 1)
		pass(time.Hour)
		if got := state(t, w.candidates, hash(1)); got != swarm.CandidateHeard {
			t.Errorf("it is %s", got)
		}
	})
}

func TestSwarmThatTwoSourcesOfferIsOneCandidateOfTwoIntroducers(t *testing.T) {
	inWorld(t, func(w *world) {
		peer := agentAt("192.0.2.1:6881") // who is not in the swarm
		w.puts("192.0.2.1:6881", peerAt{absent: true})
		meeting := feed{lists: w.candidates.Offer, offer: offer(peer, 1)}
		f := feed{lists: w.candidates.Offer, offer: offer(theFeed, 1), alive: map[swarm.InfoHash]bool{hash(1): true}}
		w.sources["meeting"], w.sources["feed"] = meeting, f
		w.proofs[swarm.KindFeed] = f
		w.run()
		pass(0)
		all := w.candidates.List()
		if len(all) != 1 || len(all[0].Introducers) != 2 || all[0].State != swarm.CandidateVerified {
			t.Fatalf("%+v", all)
		}
		if by := all[0].Introducer(); by.Kind != swarm.KindFeed || by.Verified.IsZero() || !all[0].Introducers[1].Verified.IsZero() {
			t.Errorf("it is the word of %+v", all[0].Introducers)
		}
		if n := strings.Count(w.told(), "a swarm we are not in"); n != 1 {
			t.Errorf("told %d times:\n%s", n, w.told())
		}
	})
}

func TestSourceThatEndsLeavesTheOthersAndWhatItOffered(t *testing.T) {
	inWorld(t, func(w *world) {
		short := feed{lists: w.candidates.Offer, offer: offer(theFeed, 1), err: errors.New("no such document"),
			alive: map[swarm.InfoHash]bool{hash(1): true, hash(2): true}}
		other := theFeed
		other.Client = "Maps"
		w.sources["short"], w.proofs[swarm.KindFeed] = short, short
		w.sources["long"] = feed{lists: w.candidates.Offer, offer: offer(other, 1, 2)}
		w.run()
		pass(time.Minute)
		if got := hashes(w.candidates.Ready()); len(got) != 2 {
			t.Errorf("ready: %v", got)
		}
		if k, _ := w.candidates.Get(hash(1)); len(k.Introducers) != 2 {
			t.Errorf("two feeds list it: %+v", k.Introducers)
		}
		w.meets(3)
		if got := hashes(w.candidates.Ready()); len(got) != 3 {
			t.Errorf("ready, after one source ended: %v", got)
		}
	})
}
