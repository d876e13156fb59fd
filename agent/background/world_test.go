package background

import (
	"bytes"
	"context"
	"crypto/sha1"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
	"go.uber.org/goleak"

	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/platform"
	"ebb/quota/disk"
	"ebb/quota/disk/fragstore"
	"ebb/quota/line"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// deadline bounds every wait of these tests; none comes near it.
const deadline = 30 * time.Second

// content is a torrent made up for a test.
type content struct {
	data []byte
	raw  []byte // info dictionary
	info *peerwire.Info
}

// makeContent makes a torrent of the given number of pieces of 32 KiB; the last one is cut short.
func makeContent(t testing.TB, pieces int, private bool) content {
	t.Helper()
	const pieceLength = 32 << 10
	data := make([]byte, pieces*pieceLength-1000)
	rnd := rand.NewChaCha8([32]byte{byte(pieces)})
	rnd.Read(data)
	info := metainfo.Info{Name: fmt.Sprintf("content of %d pieces", pieces), PieceLength: pieceLength, Length: int64(len(data))}
	if private {
		info.Private = &private
	}
	for rest := data; len(rest) > 0; {
		piece := rest[:min(pieceLength, len(rest))]
		sum := sha1.Sum(piece)
		info.Pieces = append(info.Pieces, sum[:]...)
		rest = rest[len(piece):]
	}
	raw, err := bencode.Marshal(info)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := peerwire.ParseInfo(raw)
	if err != nil {
		t.Fatal(err)
	}
	return content{data: data, raw: raw, info: parsed}
}

func (c content) piece(i int) []byte {
	begin := int64(i) * c.info.PieceLength
	return c.data[begin : begin+c.info.PieceLen(i)]
}

// agent is an engine with real parts around it: a store on disk, a ledger, and a peer port on loopback. Only the
// announcer, the lists and the candidates are played by the test.
type agent struct {
	t      testing.TB
	dir    string
	store  *fragstore.Store
	ledger *disk.Ledger
	engine *Engine
	port   *peerwire.Port
	line   *line.Bandwidth // unlimited, unless the test says otherwise
	stop   func()

	asleep atomic.Bool // what the engine is told of the disk
	quiet  atomic.Bool // and the store
	limits atomic.Pointer[disk.Limits]

	mu        sync.Mutex
	told      []string // kinds of what the engine told
	stories   []string // and the texts
	announced map[swarm.InfoHash]bool
	found     map[swarm.InfoHash]func(peersource.Result)
	refused   map[swarm.InfoHash]swarm.Refusal
	most      int64 // bytes that a swarm may have; 0: any
	ready     []swarm.Candidate
	proven    *peerwire.Conn // on which the one that is ready was proven
}

func newAgent(t testing.TB, storage int64) *agent {
	t.Helper()
	a := &agent{t: t, dir: t.TempDir(), announced: make(map[swarm.InfoHash]bool), found: make(map[swarm.InfoHash]func(peersource.Result)), refused: make(map[swarm.InfoHash]swarm.Refusal)}
	a.start(storage)
	t.Cleanup(func() { a.stop() })
	return a
}

// allotted are limits of nothing but the storage.
func allotted(storage int64) disk.Limits { return disk.Limits{Storage: storage, Writes: -1} }

// setLimits is what the owner does.
func (a *agent) setLimits(limits disk.Limits) {
	a.limits.Store(&limits)
	a.ledger.LimitsChanged()
}

// whether returns what Unavailable says of a disk that sleeps or not.
func whether(asleep *atomic.Bool) func() error {
	return func() error {
		if asleep.Load() {
			return disk.ErrAsleep
		}
		return nil
	}
}

// start opens the agent's parts on its directory and runs them.
func (a *agent) start(storage int64) {
	a.t.Helper()
	log := slog.New(slog.DiscardHandler)
	var err error
	a.store, err = fragstore.Open(filepath.Join(a.dir, "fragments"), filepath.Join(a.dir, "fragments.db"), fragstore.Options{Log: log, Unavailable: whether(&a.quiet)})
	if err != nil {
		a.t.Fatal(err)
	}
	limits := allotted(storage)
	a.limits.Store(&limits)
	a.ledger = disk.NewLedger(disk.Config{
		Store: a.store,
		Fragments: func() (platform.FileSystem, error) {
			return platform.FileSystem{ID: "pretended", Free: 1 << 40, Total: 1 << 41}, nil
		},
		Limits: func() disk.Limits { return *a.limits.Load() },
	})
	peerID := peerwire.NewPeerID("0.1.0")
	a.line = line.NewBandwidth(line.Unlimited, line.Unlimited)
	a.port, err = peerwire.Listen("127.0.0.1:0", peerwire.Config{PeerID: peerID, Client: "ebb test", Wrap: a.line.Wrap, Log: log})
	if err != nil {
		a.t.Fatal(err)
	}
	a.engine, err = New(Config{
		Dialer: a.port, PeerID: peerID, Port: a.port.Addr().Port(), Client: "ebb test",
		Store: a.store, Ledger: a.ledger, Announcer: a, Lists: noLists{}, Candidates: a,
		Goal: func() swarm.Goal { return swarm.GoalBalanced }, UploadLimit: a.uploadLimit,
		Unavailable: whether(&a.asleep),
		AllowAddr:   func(netip.Addr) bool { return true },
		Log:         slog.New(swarm.Listen(slog.DiscardHandler, a.hear)),
	})
	if err != nil {
		a.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.engine.Run(ctx) })
	wg.Go(func() { a.port.Serve(ctx, a) })
	var once sync.Once
	a.stop = func() {
		once.Do(func() {
			cancel()
			wg.Wait()
			a.port.Close()
			if err := a.store.Close(); err != nil {
				a.t.Error(err)
			}
		})
	}
	a.wait("the engine to run", a.engine.Running)
}

func (a *agent) uploadLimit() int64 {
	up, _ := a.line.Limits()
	return up
}

// restart stops the agent and starts it again on the same directory.
func (a *agent) restart(storage int64) {
	a.t.Helper()
	a.stop()
	a.start(storage)
}

// enforce has the ledger check its limits now.
func (a *agent) enforce() {
	reclaimed, _ := a.ledger.Enforce()
	a.engine.Reclaimed(reclaimed)
}

// hold puts pieces of c into the store, as if they had been fetched before.
func (a *agent) hold(c content, pieces ...int) {
	a.t.Helper()
	for _, i := range pieces {
		w, err := a.store.Create(fragstore.Key{Hash: c.info.Hash, Index: uint32(i)}, c.info.PieceLen(i), c.info.PieceHash(i))
		if err != nil {
			a.t.Fatal(err)
		}
		if _, err := w.WriteAt(c.piece(i), 0); err != nil {
			a.t.Fatal(err)
		}
		if err := w.Commit(); err != nil {
			a.t.Fatal(err)
		}
	}
}

// join makes c a background swarm, as the owner's wish.
func (a *agent) join(c content, metadata bool, peers ...*agent) {
	a.t.Helper()
	j := Join{Hash: c.info.Hash, Health: swarm.Health{Seeds: -1, Leechers: -1, Copies: -1}, Why: swarm.Why{Introducer: swarm.Introducer{Kind: swarm.KindOwner}}}
	if metadata {
		j.Metadata = c.raw
	}
	for _, p := range peers {
		j.Peers = append(j.Peers, p.port.Addr().String())
	}
	if err := a.engine.Join(j); err != nil {
		a.t.Fatal(err)
	}
}

// member returns where the agent's part in a swarm stands.
func (a *agent) member(c content) life {
	s := a.engine.table.get(c.info.Hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}

// holds reports whether the agent's store has n good pieces of c.
func (a *agent) holds(c content, n int) bool {
	held := a.store.Held(c.info.Hash)
	if len(held) != n {
		return false
	}
	for _, i := range held {
		r, err := a.store.Open(fragstore.Key{Hash: c.info.Hash, Index: i}, c.info.PieceHash(int(i)))
		if err != nil {
			return false
		}
		got := make([]byte, c.info.PieceLen(int(i)))
		_, err = r.ReadAt(got, 0)
		r.Close()
		if err != nil || !bytes.Equal(got, c.piece(int(i))) {
			a.t.Errorf("fragment %d differs from the content", i)
			return false
		}
	}
	return true
}

// wait waits until something is so. It looks again whenever the engine tells
// something, and every 20 ms for what is not told.
func (a *agent) wait(what string, so func() bool) {
	a.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	late := time.After(deadline)
	for !so() {
		select {
		case <-tick.C:
		case <-late:
			a.mu.Lock()
			defer a.mu.Unlock()
			a.t.Fatalf("waited %v for %s; the engine told %v", deadline, what, a.told)
		}
	}
}

func (a *agent) hear(e swarm.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told, a.stories = append(a.told, e.Kind), append(a.stories, e.Text)
}

// The agent routes its port's connections to its engine.

func (a *agent) InfoHashes() iter.Seq[swarm.InfoHash] {
	return func(yield func(swarm.InfoHash) bool) {
		for _, h := range a.engine.Hashes() {
			if !yield(h) {
				return
			}
		}
	}
}
func (a *agent) Knows(h swarm.InfoHash) bool                    { return a.engine.Serves(h) }
func (a *agent) Incoming(ctx context.Context, c *peerwire.Conn) { a.engine.Incoming(ctx, c) }

// The agent plays the announcer: nobody is found but whom the test names.

func (a *agent) Add(t peersource.Torrent) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.found[t.Hash], a.announced[t.Hash] = t.Found, true
}
func (a *agent) Remove(h swarm.InfoHash) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.announced[h] = false
}
func (a *agent) Now(swarm.InfoHash) {}

// And the candidates.

func (a *agent) Ready() []swarm.Candidate {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.ready
}
func (a *agent) Joined(h swarm.InfoHash) *peerwire.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.ready) == 0 || a.ready[0].Hash != h {
		return nil
	}
	proven := a.proven
	a.ready, a.proven = nil, nil
	return proven
}
func (a *agent) Refused(h swarm.InfoHash, name string, r swarm.Refusal) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refused[h] = r
}
func (a *agent) Fits(why swarm.Why, length int64) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.most == 0 || why.ByOwner() || length <= a.most
}

// noLists is an agent that does not pass lists.
type noLists struct{}

func (noLists) Ask(swarm.Introducer) ([]byte, bool)             { return nil, false }
func (noLists) Handle(swarm.Introducer, []byte) ([]byte, error) { return nil, nil }
