package lab

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"ebb/agent/swarm"

	"github.com/cenkalti/rain/v2/torrent"
)

// rain's log is one variable of the whole process, which may only be set while no session runs.
func init() { torrent.DisableLogging() }

// Peer is a stock peer: a rain session with an address of its own.
type Peer struct {
	world   *World
	addr    netip.Addr
	dir     string // holds what it has downloaded, or seeds
	session *torrent.Session
	stop    func() error

	watching sync.WaitGroup

	mu     sync.Mutex
	shared []*share
}

// share is one torrent of a peer.
type share struct {
	content  *Content
	torrent  *torrent.Torrent
	complete <-chan struct{}
	stopped  chan struct{} // closed when rain has stopped it
	err      error         // why; set before stopped is closed
}

// watch waits until rain has stopped the torrent.
func (s *share) watch() {
	defer close(s.stopped)
	stopped := s.torrent.NotifyStop()
	if stopped == nil { // it has failed already
		s.err = s.torrent.Stats().Error
		return
	}
	select {
	case s.err = <-stopped:
	case <-s.torrent.NotifyClose():
	}
}

// newPeer starts a session with room for n torrents.
func (w *World) newPeer(n int) (*Peer, error) {
	addr := w.NextAddr()
	begin, end, err := w.Ports(addr, max(n, 1))
	if err != nil {
		return nil, err
	}
	p := &Peer{world: w, addr: addr, dir: filepath.Join(w.dir, addr.String())}
	cfg := torrent.DefaultConfig
	cfg.Database = filepath.Join(p.dir, "session.db")
	cfg.DataDir = p.dir
	cfg.DataDirIncludesTorrentID = false
	cfg.Host = addr.String()
	cfg.PortBegin, cfg.PortEnd = begin, end
	cfg.MaxOpenFiles = 0
	cfg.RPCEnabled = false
	cfg.DHTEnabled = false
	cfg.PEXEnabled = false // on loopback it would pass on addresses where nobody listens
	cfg.ReadCacheSize = 8 << 20
	cfg.WriteCacheSize = 64 << 20
	cfg.ResumeWriteInterval = time.Hour // it is never resumed
	cfg.TrackerMinAnnounceInterval = announceInterval * time.Second
	cfg.HealthCheckInterval = math.MaxInt64 // it would end the process on a slow machine
	if p.session, err = torrent.NewSession(cfg); err != nil {
		return nil, err
	}
	p.stop = sync.OnceValue(p.leave)
	return p, nil
}

// seed puts the original data in place and returns when it is being seeded.
func (p *Peer) seed(ctx context.Context, c *Content) error {
	for _, f := range c.files() {
		path := filepath.Join(p.dir, f.path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		// A link: nobody changes the data, and a copy would take long.
		if err := os.Link(filepath.Join(c.Dir, f.path), path); err != nil {
			return err
		}
	}
	if err := p.leech(ctx, c); err != nil {
		return err
	}
	if err := p.Wait(ctx); err != nil {
		return err
	}
	return p.world.AwaitSwarm(ctx, c.Hash, func(peers map[netip.AddrPort]int64) bool {
		left, ok := peers[p.Addr(c)]
		return ok && left == 0
	})
}

// leech starts to download c.
func (p *Peer) leech(_ context.Context, c *Content) error {
	t, err := p.session.AddTorrent(bytes.NewReader(c.Torrent), &torrent.AddTorrentOptions{
		ID:      c.Hash.String(),
		Stopped: true,
	})
	if err != nil {
		return err
	}
	complete := t.NotifyComplete()
	if err := t.Start(); err != nil {
		return err
	}
	s := &share{content: c, torrent: t, complete: complete, stopped: make(chan struct{})}
	p.watching.Go(s.watch)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shared = append(p.shared, s)
	return nil
}

// Wait waits until all contents are complete, and compares them with the originals byte by byte.
func (p *Peer) Wait(ctx context.Context) error {
	for _, s := range p.shares() {
		select {
		case <-s.complete:
		case <-s.stopped:
			return fmt.Errorf("%s: stopped with %d of %d pieces: %w", s.content.Name, p.pieces(s), s.content.Info.NumPieces(),
				cmp.Or(s.err, errors.New("on request")))
		case <-ctx.Done():
			return fmt.Errorf("%s: %d of %d pieces: %w", s.content.Name, p.pieces(s), s.content.Info.NumPieces(), context.Cause(ctx))
		}
		if err := s.content.Verify(p.dir); err != nil {
			return fmt.Errorf("%s: %w", s.content.Name, err)
		}
	}
	return nil
}

func (p *Peer) pieces(s *share) uint32 { return s.torrent.Stats().Pieces.Have }

// AddPeer makes the peer dial addr for the torrent h.
func (p *Peer) AddPeer(h swarm.InfoHash, addr netip.AddrPort) error {
	t := p.session.GetTorrent(h.String())
	if t == nil {
		return fmt.Errorf("peer %v has no torrent %s", p.addr, h.String())
	}
	return t.AddPeer(addr.String())
}

// Addr returns where the peer listens for c, or an invalid address if it does not have it.
func (p *Peer) Addr(c *Content) netip.AddrPort {
	for _, s := range p.shares() {
		if s.content.Hash == c.Hash {
			return netip.AddrPortFrom(p.addr, uint16(s.torrent.Stats().Port))
		}
	}
	return netip.AddrPort{}
}

// Progress returns how many bytes of all contents the peer has verified, and how many there are.
func (p *Peer) Progress() (completed, total int64) {
	for _, s := range p.shares() {
		completed += s.torrent.Stats().Bytes.Completed
		total += s.content.Size()
	}
	return completed, total
}

// Uploaded returns how many bytes of blocks the peer has sent to others.
func (p *Peer) Uploaded() (bytes int64) {
	for _, s := range p.shares() {
		bytes += s.torrent.Stats().Bytes.Uploaded
	}
	return bytes
}

func (p *Peer) shares() []*share {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.shared[:len(p.shared):len(p.shared)]
}

// Stop ends the peer and takes it off the tracker. It may be called more than once.
func (p *Peer) Stop() error { return p.stop() }

func (p *Peer) leave() error {
	// rain's own way to tell a tracker leaves goroutines behind for seconds.
	err := p.session.Close()
	p.watching.Wait()
	p.world.tracker.forget(p.addr)
	return err
}
