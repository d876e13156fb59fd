package lab

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const (
	// claimPort is where each world's tracker listens. It is the same in all
	// worlds, so that the address block of a world cannot be taken twice.
	claimPort = 24127
	// firstPort and lastPort bound the ports of peers, below the range that
	// Linux takes the ports of outgoing connections from.
	firstPort = 20000
	lastPort  = 32000
)

// World is a tracker and the peers that use it. Its methods may be called at the same time.
type World struct {
	dir     string
	block   byte // the second octet of all its addresses
	tracker *tracker

	mu       sync.Mutex
	hosts    uint16 // addresses given out, the tracker's included
	nextPort uint16 // where to look for free ports
	peers    []*Peer
	agents   []*Agent
	closed   bool
}

// New makes a world that keeps its files in dir, which is created if needed and
// left in place by Close. The world ends with Close.
func New(dir string) (*World, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("directory of the world: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("directory of the world: %w", err)
	}
	w := &World{dir: dir, hosts: 1, nextPort: firstPort + uint16(rand.IntN(lastPort-firstPort))}
	var listener net.Listener
	for _, n := range rand.Perm(254) {
		w.block = byte(n + 1)
		listener, err = net.Listen("tcp4", netip.AddrPortFrom(w.host(1), claimPort).String())
		if !errors.Is(err, syscall.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("no free block of addresses in 127.0.0.0/8: %w", err)
	}
	if w.tracker, err = startTracker(listener); err != nil {
		return nil, errors.Join(fmt.Errorf("starting the tracker: %w", err), listener.Close())
	}
	return w, nil
}

// Close stops all agents, peers and the tracker, and waits for them.
func (w *World) Close() error {
	w.mu.Lock()
	var stops []func() error
	for _, a := range w.agents {
		stops = append(stops, a.Stop)
	}
	for _, p := range w.peers {
		stops = append(stops, p.Stop)
	}
	w.agents, w.peers, w.closed = nil, nil, true
	w.mu.Unlock()

	errs := make([]error, len(stops)+1)
	var group sync.WaitGroup
	for i, stop := range stops {
		group.Go(func() { errs[i] = stop() })
	}
	group.Wait()
	errs[len(stops)] = w.tracker.close()
	return errors.Join(errs...)
}

// TrackerURL is where to announce over HTTP.
func (w *World) TrackerURL() string { return w.tracker.url }

// UDPTrackerURL is where to announce over UDP. It is the same tracker.
func (w *World) UDPTrackerURL() string { return w.tracker.udpURL }

// NextAddr returns an address that nobody else in this world, or in another, has been given.
func (w *World) NextAddr() netip.Addr {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hosts++
	if w.hosts&0xff == 0 || w.hosts&0xff == 0xff { // .0 and .255 confuse some software
		w.hosts += 2
	}
	return w.host(w.hosts)
}

// host returns address n of the world's block.
func (w *World) host(n uint16) netip.Addr {
	return netip.AddrFrom4([4]byte{127, w.block, byte(n >> 8), byte(n)})
}

// Ports finds n adjacent ports that are free at addr, and returns the first and the one after the last. No port is
// given out twice in a world, and the tracker takes announces that come from 127.0.0.1 with one of these ports for
// announces from addr.
func (w *World) Ports(addr netip.Addr, n int) (begin, end uint16, err error) {
	if n < 1 || n > lastPort-firstPort {
		return 0, 0, fmt.Errorf("%d ports asked for, not 1 to %d", n, lastPort-firstPort)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for range lastPort - firstPort {
		if int(w.nextPort)+n > lastPort {
			w.nextPort = firstPort
		}
		begin, end = w.nextPort, w.nextPort+uint16(n)
		if w.tracker.taken(begin, end) || !free(addr, begin, end) {
			w.nextPort++
			continue
		}
		w.nextPort = end
		w.tracker.assign(addr, begin, end)
		return begin, end, nil
	}
	return 0, 0, fmt.Errorf("no %d adjacent free ports at %v", n, addr)
}

// free reports whether each port from begin up to end can be listened on.
func free(addr netip.Addr, begin, end uint16) bool {
	for port := begin; port < end; port++ {
		listener, err := net.Listen("tcp4", netip.AddrPortFrom(addr, port).String())
		if err != nil {
			return false
		}
		if listener.Close() != nil {
			return false
		}
	}
	return true
}

// Seed starts a stock peer that has the contents, and returns when the tracker knows about it.
func (w *World) Seed(ctx context.Context, contents ...*Content) (*Peer, error) {
	return w.start(ctx, contents, (*Peer).seed)
}

// Leech starts a stock peer that has nothing and downloads the contents, and returns at once: see [Peer.Wait].
func (w *World) Leech(ctx context.Context, contents ...*Content) (*Peer, error) {
	return w.start(ctx, contents, (*Peer).leech)
}

func (w *World) start(ctx context.Context, contents []*Content, join func(*Peer, context.Context, *Content) error) (*Peer, error) {
	p, err := w.newPeer(len(contents))
	if err != nil {
		return nil, fmt.Errorf("starting a peer: %w", err)
	}
	w.mu.Lock()
	closed := w.closed
	if !closed {
		w.peers = append(w.peers, p)
	}
	w.mu.Unlock()
	if closed {
		return nil, errors.Join(errors.New("starting a peer: the world is closed"), p.Stop())
	}
	for _, c := range contents {
		if err := join(p, ctx, c); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", c.Name, err), p.Stop())
		}
	}
	return p, nil
}
