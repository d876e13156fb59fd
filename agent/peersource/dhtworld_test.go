package peersource

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// etherNet carries packets between memConns within a process, so that DHT nodes can live under a fake clock.
type etherNet struct {
	mu    sync.Mutex
	conns map[netip.AddrPort]*memConn
	sent  map[netip.AddrPort]int // packets, by destination
	cut   bool                   // nothing arrives
}

func newEtherNet() *etherNet {
	return &etherNet{conns: make(map[netip.AddrPort]*memConn), sent: make(map[netip.AddrPort]int)}
}

type memPacket struct {
	from    netip.AddrPort
	payload []byte
}

// memConn is a socket on an etherNet. Like a real one, it loses packets when nobody reads them.
type memConn struct {
	net   *etherNet
	addr  netip.AddrPort
	inbox chan memPacket
	once  sync.Once
	done  chan struct{}
}

func (n *etherNet) listen(address string) *memConn {
	c := &memConn{net: n, addr: netip.MustParseAddrPort(address), inbox: make(chan memPacket, 256), done: make(chan struct{})}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.conns[c.addr] = c
	return c
}

func (n *etherNet) setCut(cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = cut
}

func (n *etherNet) sentTo(to netip.AddrPort) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.sent[to]
}

func (c *memConn) WriteTo(p []byte, to net.Addr) (int, error) {
	dst, _ := addrPort(to)
	c.net.mu.Lock()
	c.net.sent[dst]++
	peer := c.net.conns[dst]
	if c.net.cut {
		peer = nil
	}
	c.net.mu.Unlock()
	if peer != nil {
		select {
		case peer.inbox <- memPacket{c.addr, slices.Clone(p)}:
		default:
		}
	}
	return len(p), nil
}

func (c *memConn) ReadFrom(p []byte) (int, net.Addr, error) {
	select {
	case packet := <-c.inbox:
		return copy(p, packet.payload), net.UDPAddrFromAddrPort(packet.from), nil
	case <-c.done:
		return 0, nil, net.ErrClosed
	}
}

func (c *memConn) Close() error {
	c.once.Do(func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		if c.net.conns[c.addr] == c {
			delete(c.net.conns, c.addr)
		}
		close(c.done)
	})
	return nil
}

func (c *memConn) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(c.addr) }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

// runningDHT is a DHT with its Run.
type runningDHT struct {
	*DHT
	cancel context.CancelFunc
	ended  chan error
}

func runDHT(d *DHT) *runningDHT {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningDHT{d, cancel, make(chan error, 1)}
	go func() { r.ended <- d.Run(ctx) }()
	return r
}

// stop ends Run, and says how long that took.
func (r *runningDHT) stop(t testing.TB) time.Duration {
	began := time.Now()
	r.cancel()
	if err := <-r.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	return time.Since(began)
}

// bootNode is where the first node of a dhtWorld listens.
const bootNode = "10.0.0.1:6881"

// dhtWorld is a number of nodes on an etherNet under a fake clock, all of which know the first.
type dhtWorld struct {
	*etherNet
	t     *testing.T
	nodes []*runningDHT
}

// inDHTWorld runs a test with n nodes, which have had time to find each other. Keep it small: the race detector gives up
// (golang/go#78156) when much happens under the fake clock. The test fails if a goroutine is
// left when all have stopped.
func inDHTWorld(t *testing.T, n int, test func(*dhtWorld)) {
	synctest.Test(t, func(t *testing.T) {
		w := &dhtWorld{etherNet: newEtherNet(), t: t}
		for i := range n {
			w.add(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}).String()+":6881", "")
		}
		w.pass(20 * time.Second)
		test(w)
		for _, node := range w.nodes {
			node.stop(t)
		}
		synctest.Wait()
	})
}

// add starts a node.
func (w *dhtWorld) add(address, state string) *runningDHT {
	node := runDHT(NewDHT(w.listen(address), DHTConfig{
		Bootstrap: []string{bootNode}, AllowPrivate: true, StatePath: state,
	}))
	w.nodes = append(w.nodes, node)
	return node
}

func (w *dhtWorld) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// find looks peers up.
func find(d *runningDHT, h [20]byte, port uint16) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	err := d.Lookup(context.Background(), h, port, func(peers []netip.AddrPort) { all = append(all, peers...) })
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all, err
}

// wantPeers checks what a look-up finds.
func wantFound(t testing.TB, d *runningDHT, h [20]byte, want ...netip.AddrPort) {
	t.Helper()
	got, err := find(d, h, 0)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("look-up from %s found %v, error %v; want %v", d.Addr(), got, err, want)
	}
}

// until waits for something real to come true.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx := patient(t)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

var errNoName = errors.New("no such name")
