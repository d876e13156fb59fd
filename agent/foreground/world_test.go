package foreground_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"ebb/agent/foreground"
	"ebb/agent/foreground/door"
	"ebb/agent/peersource"
	"ebb/agent/peerwire"
	"ebb/agent/swarm"
	"ebb/build/lab"
	"ebb/quota/line"
)

// world is a lab with one session in it.
type world struct {
	*testing.T
	*lab.World
	ctx    context.Context
	cfg    foreground.Config
	ledger *ledger
	limit  int64 // of what is downloaded, in bytes per second; 0: none

	mu    sync.Mutex
	story []string

	session *foreground.Session // of the last open
	door    *door.Door
	end     func() error
	seeds   []seed
}

// seed is a stock peer and what it has.
type seed struct {
	*lab.Peer
	content *lab.Content
}

// newWorld makes a lab, and a place for a session, without opening it.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	l, err := lab.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := &world{T: t, World: l, ledger: newLedger(1 << 40)}
	var cancel context.CancelFunc
	w.ctx, cancel = context.WithTimeout(t.Context(), 90*time.Second)
	t.Cleanup(func() {
		cancel()
		w.close()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	addr := w.NextAddr()
	begin, end, err := w.Ports(addr, 6)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	w.cfg = foreground.Config{
		Directory: filepath.Join(dir, "downloads"),
		Database:  filepath.Join(dir, "foreground.db"),
		Host:      addr.String(),
		PeerPort:  begin,
		PortBegin: begin + 1,
		PortEnd:   end,
		Ledger:    w.ledger,
		Log: slog.New(swarm.Listen(slog.DiscardHandler, func(e swarm.Event) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.story = append(w.story, e.Kind+": "+e.Text)
		})),
	}
	return w
}

// open opens the session and runs it, behind a door and an announcer of its own.
func (w *world) open() *foreground.Session {
	w.Helper()
	h, err := openHouse(w.cfg, w.limit)
	if err != nil {
		w.Fatal(err)
	}
	w.session, w.door, w.end = h.session, h.door, h.end
	return h.session
}

// house is a session with what is around it in an agent.
type house struct {
	session *foreground.Session
	door    *door.Door
	end     func() error // ends all of it
}

// openHouse opens a session and runs it. limit is of what is downloaded, in bytes per second; 0: none.
func openHouse(cfg foreground.Config, limit int64) (*house, error) {
	guard := peersource.Guard{AllowPrivate: true, Local: netip.MustParseAddr(cfg.Host)}
	id := peerwire.NewPeerID("0.1.0")
	bandwidth := line.NewBandwidth(0, 0)
	if limit > 0 {
		bandwidth.SetOwnLimits(line.Unlimited, limit)
	}
	port, err := peerwire.Listen(netip.AddrPortFrom(guard.Local, cfg.PeerPort).String(), peerwire.Config{
		PeerID: id, Local: guard.Local, Client: "ebb test", Wrap: bandwidth.Wrap, Owner: func(swarm.InfoHash) bool { return true },
	})
	if err != nil {
		return nil, err
	}
	d := door.New(door.Config{Dialer: port, PeerID: id, Allow: guard.AllowAddr, Log: cfg.Log})
	cfg.Door = d
	announcer := peersource.NewAnnouncer(peersource.Config{PeerID: id, Guard: guard, UserAgent: "ebb/test"})
	s, err := foreground.Open(cfg)
	if err != nil {
		return nil, errors.Join(err, port.Close())
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	var ran error
	running.Go(func() { ran = s.Run(ctx) })
	running.Go(func() { _ = port.Serve(ctx, router{d}) })
	running.Go(func() { _ = d.Run(ctx) })
	running.Go(func() { _ = announcer.Run(ctx) })
	running.Go(func() { s.Announce(ctx, announcer) })
	end := sync.OnceValue(func() error {
		cancel()
		running.Wait()
		return errors.Join(ran, s.Close())
	})
	return &house{s, d, end}, nil
}

// router leads all that comes to the port to the door.
type router struct{ *door.Door }

// close ends the session, if it is open.
func (w *world) close() {
	w.Helper()
	if w.end == nil {
		return
	}
	if err := w.end(); err != nil {
		w.Error(err)
	}
}

func (w *world) content(name string, size, pieceLength int64, options ...lab.ContentOption) *lab.Content {
	w.Helper()
	c, err := w.Content(name, size, pieceLength, options...)
	if err != nil {
		w.Fatal(err)
	}
	return c
}

func (w *world) seed(contents ...*lab.Content) *lab.Peer {
	w.Helper()
	p, err := w.Seed(w.ctx, contents...)
	if err != nil {
		w.Fatal(err)
	}
	for _, c := range contents {
		w.seeds = append(w.seeds, seed{p, c})
	}
	return p
}

// add adds a torrent file and starts it.
func (w *world) add(c *lab.Content) {
	w.Helper()
	h, err := w.session.AddTorrent(w.ctx, c.Torrent, true)
	if err != nil {
		w.Fatal(err)
	}
	if h != c.Hash {
		w.Fatalf("added %s, not %s", h.String(), c.Hash.String())
	}
}

// await waits until the picture of a download is as wanted.
func (w *world) await(h swarm.InfoHash, what string, wanted func(foreground.Torrent) bool) foreground.Torrent {
	w.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	// A seed refuses a second connection from 127.0.0.1 while it has not noticed the end of the first, and rain asks
	// trackers only once a minute. That is not what is tested here.
	introduce := time.NewTicker(2 * time.Second)
	defer introduce.Stop()
	for {
		t, ok := w.session.Torrent(h)
		if ok && wanted(t) {
			return t
		}
		select {
		case <-tick.C:
		case <-introduce.C:
			for _, s := range w.seeds {
				if s.content.Hash == h {
					w.door.Found(h, []netip.AddrPort{s.Addr(s.content)})
				}
			}
		case <-w.ctx.Done():
			w.Fatalf("it is not %s: %+v, %s; story %q", what, t, t.Why(), w.told())
		}
	}
}

func (w *world) awaitState(h swarm.InfoHash, state foreground.State) foreground.Torrent {
	w.Helper()
	return w.await(h, string(state), func(t foreground.Torrent) bool { return t.State == state })
}

// complete waits until the download is complete, and compares it.
func (w *world) complete(c *lab.Content) foreground.Torrent {
	w.Helper()
	t := w.awaitState(c.Hash, foreground.Seeding)
	if err := c.Verify(w.cfg.Directory); err != nil {
		w.Fatal(err)
	}
	if !t.Complete() || t.Length != c.Size() || t.Error != "" {
		w.Errorf("seeding, but %+v", t)
	}
	return t
}

// put writes a file of n bytes below the download directory.
func (w *world) put(path string, n int) {
	w.Helper()
	path = filepath.Join(w.cfg.Directory, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(path, make([]byte, n), 0o644); err != nil {
		w.Fatal(err)
	}
}

// has reports whether there is something at the path below the download directory.
func (w *world) has(path string) bool {
	w.Helper()
	_, err := os.Lstat(filepath.Join(w.cfg.Directory, path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.Fatal(err)
	}
	return err == nil
}

// remove deletes a file below the download directory.
func (w *world) remove(path string) {
	w.Helper()
	if err := os.Remove(filepath.Join(w.cfg.Directory, path)); err != nil {
		w.Fatal(err)
	}
}

func (w *world) told() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.story)
}

// nothingStored checks that there are no downloads, and nothing of any on disk.
func (w *world) nothingStored() {
	w.Helper()
	if n := w.session.RainTorrents(); n != 0 {
		w.Errorf("rain has %d torrents", n)
	}
	paths, err := filepath.Glob(filepath.Join(w.cfg.Directory, "*"))
	if err != nil || len(paths) != 0 {
		w.Errorf("the download directory has %q, %v", paths, err)
	}
	if calls := w.ledger.history(); slices.ContainsFunc(calls, func(c string) bool { return strings.HasPrefix(c, "reserve") }) {
		w.Errorf("the ledger was asked: %q", calls)
	}
}

// ledger is a Ledger that remembers.
type ledger struct {
	mu       sync.Mutex
	room     int64
	promised map[swarm.InfoHash]func() int64
	calls    []string
}

func newLedger(room int64) *ledger {
	return &ledger{room: room, promised: make(map[swarm.InfoHash]func() int64)}
}

var errNoRoom = errors.New("the ledger's sentence")

func (l *ledger) Reserve(h swarm.InfoHash, remaining func() int64) error {
	bytes := remaining()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, fmt.Sprint("reserve ", bytes))
	if bytes > l.room {
		return errNoRoom
	}
	l.promised[h] = remaining
	return nil
}

// remaining asks the download how much is still to come. It reports false if nothing is promised to it.
func (l *ledger) remaining(h swarm.InfoHash) (int64, bool) {
	l.mu.Lock()
	remaining, ok := l.promised[h]
	l.mu.Unlock()
	if !ok {
		return 0, false
	}
	return remaining(), true
}

func (l *ledger) Withdraw(h swarm.InfoHash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.calls = append(l.calls, "release")
	delete(l.promised, h)
}

func (l *ledger) setRoom(room int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.room = room
}

func (l *ledger) history() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.calls)
}
