package rendezvous

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/discovery"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/prefs"
	"ebb/agent/swarm"
)

// A world has agents and other peers at addresses of its own, connections in memory, and a board on which they announce
// themselves. It lives in a synctest bubble:
//
//	X ── announces ──▶ board ── found ──▶ Y
//	X ◀───────────── dials ───────────── Y
type world struct {
	t   *testing.T
	ctx context.Context
	end context.CancelFunc

	mu    sync.Mutex
	peers map[netip.AddrPort]*inhabitant
	board map[swarm.InfoHash]map[netip.AddrPort]peersource.Torrent
	dials []dialled
	going sync.WaitGroup // incoming connections, and Run of each agent
}

// dialled is one dial that was made.
type dialled struct {
	from, to netip.AddrPort
	hash     swarm.InfoHash
	at       time.Time
}

// inhabitant is a peer at an address.
type inhabitant struct {
	id     swarm.PeerID
	addr   netip.AddrPort
	answer func(ctx context.Context, c *end, h swarm.InfoHash) // an incoming connection
	knows  func(swarm.InfoHash) bool
	hangs  bool // takes connections and never shakes hands
}

// inWorld runs a test in a new world, and ends everything in it afterwards.
func inWorld(t *testing.T, test func(t *testing.T, w *world)) {
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t:     t,
			peers: make(map[netip.AddrPort]*inhabitant),
			board: make(map[swarm.InfoHash]map[netip.AddrPort]peersource.Torrent),
		}
		w.ctx, w.end = context.WithCancel(t.Context())
		defer w.going.Wait()
		defer w.end()
		test(t, w)
	})
}

// agent is an inhabitant that runs our code.
type agent struct {
	*inhabitant
	world      *world
	rendezvous *Rendezvous
	candidates *discovery.Candidates
	prover     *discovery.Prover

	mu      sync.Mutex
	in      map[swarm.InfoHash]bool // background swarms
	consent prefs.Sources
	story   []string
}

// agent puts an agent into the world. It is in the given background swarms, and lists them.
func (w *world) agent(addr string, background ...discovery.Entry) *agent {
	a := &agent{
		inhabitant: &inhabitant{id: idAt(addr), addr: netip.MustParseAddrPort(addr)},
		world:      w,
		in:         make(map[swarm.InfoHash]bool),
		consent:    prefs.Sources{Peers: prefs.ModeAuto},
	}
	for _, e := range background {
		a.in[e.Hash] = true
	}
	member := func(h swarm.InfoHash) bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.in[h] || a.rendezvous.Knows(h)
	}
	log := slog.New(swarm.Listen(slog.DiscardHandler, func(e swarm.Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.story = append(a.story, e.Text)
	}))
	var err error
	if a.candidates, err = discovery.NewCandidates(discovery.CandidatesConfig{
		Sources: func() prefs.Sources {
			a.mu.Lock()
			defer a.mu.Unlock()
			return a.consent
		},
		Member: member, Log: log,
	}); err != nil {
		w.t.Fatal(err)
	}
	a.rendezvous = New(Config{
		Announcer:  poster{a},
		Dialer:     a.dial,
		Port:       a.addr.Port(),
		Candidates: a.candidates,
		Lists: discovery.NewLists(a.candidates, func() []discovery.Entry {
			return append(slices.Clone(background), a.candidates.PassOn()...)
		}, peersource.Guard{}.CheckURL),
		Log: log,
	})
	a.prover = discovery.NewProver(discovery.ProverConfig{
		Candidates: a.candidates,
		Sources:    map[string]discovery.Source{"rendezvous": a.rendezvous},
		Proofs:     map[swarm.Kind]discovery.Proof{swarm.KindPeer: discovery.Handshake{Dialer: a.dial}},
		Log:        log,
	})
	a.knows = member
	a.answer = func(ctx context.Context, c *end, h swarm.InfoHash) {
		if a.rendezvous.Knows(h) {
			a.rendezvous.HandleConn(ctx, c, h)
		}
	}
	w.add(a.inhabitant)
	return a
}

// run starts the agent; it ends with the world, or before.
func (a *agent) run() context.CancelFunc {
	ctx, cancel := context.WithCancel(a.world.ctx)
	a.world.going.Go(func() {
		if err := a.prover.Run(ctx); err != nil {
			a.world.t.Error(err)
		}
	})
	return cancel
}

func (a *agent) told() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.story, "\n")
}

// public is a foreground torrent that may have a rendezvous.
func public(n int) Foreground {
	return Foreground{Hash: hash(n), Name: listed(n).Name, MetadataKnown: true, Trackers: listed(n).Trackers}
}

// stranger puts another peer into the world, that follows a script.
func (w *world) stranger(addr string, script func(ctx context.Context, c *end, h swarm.InfoHash)) *inhabitant {
	p := &inhabitant{
		id: idAt(addr), addr: netip.MustParseAddrPort(addr), answer: script,
		knows: func(swarm.InfoHash) bool { return true },
	}
	w.add(p)
	return p
}

func (w *world) add(p *inhabitant) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peers[p.addr] = p
}

// poster announces an agent on the board.
type poster struct{ a *agent }

func (p poster) Add(t peersource.Torrent) {
	w := p.a.world
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.board[t.Hash] == nil {
		w.board[t.Hash] = make(map[netip.AddrPort]peersource.Torrent)
	}
	w.board[t.Hash][p.a.addr] = t
}

func (p poster) Remove(h swarm.InfoHash) {
	w := p.a.world
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.board[h], p.a.addr)
}

// posted returns what an agent announces under h.
func (a *agent) posted(h swarm.InfoHash) (peersource.Torrent, bool) {
	a.world.mu.Lock()
	defer a.world.mu.Unlock()
	t, ok := a.world.board[h][a.addr]
	return t, ok
}

// finds tells an agent who is at a swarm's rendezvous, itself included.
func (a *agent) finds(h swarm.InfoHash, addrs ...netip.AddrPort) {
	a.world.t.Helper()
	t, ok := a.posted(Key(h))
	if !ok {
		a.world.t.Fatalf("%s is not announced at the rendezvous of %s", a.addr, h)
	}
	t.Found(peersource.Result{Hash: t.Hash, Source: "http://tracker.example.org/announce", Peers: append(addrs, a.addr)})
	synctest.Wait()
}

// dial opens a connection in memory.
func (a *agent) dial(ctx context.Context, addr netip.AddrPort, h swarm.InfoHash) (discovery.Conn, error) {
	w := a.world
	w.mu.Lock()
	w.dials = append(w.dials, dialled{a.addr, addr, h, time.Now()})
	p := w.peers[addr]
	w.mu.Unlock()
	switch {
	case p == nil:
		return nil, fmt.Errorf("dial peer: %w", &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")})
	case p.hangs:
		<-ctx.Done()
		return nil, ctx.Err()
	case p.id == a.id:
		return nil, fmt.Errorf("dial peer: %w", peerwire.ErrSelf)
	case !p.knows(h):
		return nil, errors.New("handshake: peer closed the connection")
	}
	here, there := connect(a.inhabitant, p)
	w.going.Go(func() {
		defer there.Close()
		p.answer(w.ctx, there, h)
	})
	return here, nil
}

// dialled lists all dials so far.
func (w *world) dialled() []dialled {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.dials)
}

// dialsTo lists the dials to an address.
func (w *world) dialsTo(addr netip.AddrPort) []dialled {
	return slices.DeleteFunc(w.dialled(), func(d dialled) bool { return d.to != addr })
}

// end is one end of a connection in memory.
type end struct {
	peer     *inhabitant
	remote   netip.AddrPort
	incoming bool
	plain    bool // no extensions
	in, out  chan peerwire.Message
	other    *end
	once     sync.Once
	closed   chan struct{}
}

// connect makes a connection from one inhabitant to another. The dialler's port is not the one it listens on, as on a
// real network.
func connect(from, to *inhabitant) (here, there *end) {
	const room = 64 // more than any test has under way
	a, b := make(chan peerwire.Message, room), make(chan peerwire.Message, room)
	here = &end{peer: to, remote: to.addr, in: a, out: b, closed: make(chan struct{})}
	there = &end{peer: from, remote: netip.AddrPortFrom(from.addr.Addr(), 40000), incoming: true, in: b, out: a, closed: make(chan struct{})}
	here.other, there.other = there, here
	return here, there
}

func (e *end) PeerID() [20]byte           { return e.peer.id }
func (e *end) RemoteAddr() netip.AddrPort { return e.remote }
func (e *end) Incoming() bool             { return e.incoming }
func (e *end) Fast() bool                 { return true }
func (e *end) Extended() bool             { return !e.plain }

func (e *end) Close() error {
	e.once.Do(func() { close(e.closed) })
	return nil
}

func (e *end) Read() (peerwire.Message, error) {
	select {
	case <-e.closed:
		return peerwire.Message{}, peerwire.ErrClosed
	default:
	}
	select {
	case m := <-e.in:
		return m, nil
	default:
	}
	select {
	case m := <-e.in:
		return m, nil
	case <-e.closed:
		return peerwire.Message{}, peerwire.ErrClosed
	case <-e.other.closed:
		return peerwire.Message{}, io.EOF
	}
}

func (e *end) Send(m peerwire.Message) error {
	select {
	case <-e.closed:
		return peerwire.ErrClosed
	case <-e.other.closed:
		return io.ErrClosedPipe
	case e.out <- m:
		return nil
	}
}

func (e *end) SendExtensionHandshake(x peerwire.Extensions) error {
	// The numbers are the wire's business; names are enough here.
	m := make(map[string]uint8, len(x.M))
	for name := range x.M {
		m[name] = 3
	}
	x.M = m
	if x.V == "" {
		x.V = "ebb 0.1.0"
	}
	return e.Send(peerwire.Message{Type: peerwire.ExtensionHandshake, Extensions: &x})
}

func (e *end) SendExtended(name string, payload []byte) error {
	return e.Send(peerwire.Message{Type: peerwire.Extended, Name: name, Payload: payload})
}

// greet is how a scripted agent starts.
func (e *end) greet() {
	port := e.other.remote.Port()
	if e.incoming {
		_ = e.SendExtensionHandshake(peerwire.Extensions{M: map[string]uint8{peerwire.ExtensionList: 0}, Port: port})
	}
}

// next returns the next list message that reaches a scripted agent.
func (e *end) next(t *testing.T) (discovery.Message, bool) {
	for {
		m, err := e.Read()
		if err != nil {
			return discovery.Message{}, false
		}
		if m.Type == peerwire.Extended && m.Name == peerwire.ExtensionList {
			return must(t, m.Payload), true
		}
	}
}

// pass lets time go by, and everything happen that is due.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// hash makes an info-hash that is easy to tell from others.
func hash(n int) swarm.InfoHash { return swarm.HashInfo(fmt.Append(nil, "swarm ", n)) }

// listed is an entry for a swarm that the lister is in.
func listed(n int) discovery.Entry {
	return discovery.Entry{
		Hash: hash(n), Name: fmt.Sprintf("swarm %d", n),
		Length: 48 << 20, PieceLength: 1 << 20, Pieces: 48, Fragments: 40,
		Copies: 2, Seeds: 1, Leechers: 3, TTL: discovery.MaxTTL,
		Trackers: []string{"http://tracker.example.org/announce"},
	}
}

// idAt is the peer ID of who listens at an address.
func idAt(addr string) (id swarm.PeerID) {
	digest := swarm.HashInfo([]byte(addr))
	copy(id[:], "-EB0100-"+string(digest[:12]))
	return id
}

// must parses a message that is there.
func must(t *testing.T, payload []byte) discovery.Message {
	t.Helper()
	m, err := discovery.Parse(payload, peersource.Guard{}.CheckURL)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func hashes(list []swarm.Candidate) (hs []swarm.InfoHash) {
	for _, k := range list {
		hs = append(hs, k.Hash)
	}
	return hs
}
