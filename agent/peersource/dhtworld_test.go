package peersource

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// etherNet carries packets between memConns within a process, so that DHT nodes can have public addresses.
type etherNet struct {
	mu      sync.Mutex
	conns   map[netip.AddrPort]*memConn
	packets map[netip.AddrPort]int // sent, by destination
	cut     bool                   // nothing arrives
}

func newEtherNet() *etherNet {
	return &etherNet{conns: make(map[netip.AddrPort]*memConn), packets: make(map[netip.AddrPort]int)}
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
	c := &memConn{net: n, addr: netip.MustParseAddrPort(address)}
	c.inbox, c.done = make(chan memPacket, 256), make(chan struct{})
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

// sent counts all packets so far.
func (n *etherNet) sent() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := 0
	for _, count := range n.packets {
		all += count
	}
	return all
}

func (n *etherNet) sentTo(to netip.AddrPort) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.packets[to]
}

func (c *memConn) WriteTo(p []byte, to net.Addr) (int, error) {
	dst, _ := addrPort(to)
	c.net.mu.Lock()
	c.net.packets[dst]++
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
	once   sync.Once
}

func runDHT(d *DHT) *runningDHT {
	ctx, cancel := context.WithCancel(context.Background())
	r := &runningDHT{DHT: d, cancel: cancel, ended: make(chan error, 1)}
	go func() { r.ended <- d.Run(ctx) }()
	return r
}

// stop ends Run, if it has not been ended, and checks that it takes no longer than it says.
func (r *runningDHT) stop(t testing.TB) {
	t.Helper()
	r.once.Do(func() {
		began := time.Now()
		r.cancel()
		select {
		case err := <-r.ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
			if took := time.Since(began); took > queryTimeout+patience/2 {
				t.Errorf("Run took %v to end", took)
			}
		case <-patient(t).Done():
			t.Fatal("Run does not end")
		}
	})
}

// bootNode is where the first node of a dhtWorld listens.
const bootNode = "10.0.0.1:6881"

// dhtWorld is a number of nodes on an etherNet, all of which know the first. Time is real here: the race detector does
// not survive the library's timers under a fake clock (golang/go#78156).
type dhtWorld struct {
	*etherNet
	nodes []*runningDHT
}

// newDHTWorld starts n nodes and waits until each, but for the first, knows another. When the test ends they are
// stopped, and have left no goroutine.
func newDHTWorld(t *testing.T, n int) *dhtWorld {
	w := &dhtWorld{etherNet: newEtherNet()}
	t.Cleanup(func() {
		for _, node := range w.nodes {
			node.stop(t)
		}
		goleak.VerifyNone(t)
	})
	for i := range n {
		node := w.add(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}).String()+":6881", DHTConfig{
			Bootstrap: []string{bootNode}, Guard: lab,
		})
		if i > 0 {
			until(t, "the node knows another", func() bool { return node.Nodes() > 0 })
		}
	}
	return w
}

// add starts a node, which the world will stop.
func (w *dhtWorld) add(address string, cfg DHTConfig) *runningDHT {
	node := runDHT(NewDHT(w.listen(address), cfg))
	w.nodes = append(w.nodes, node)
	return node
}

// find looks peers up.
func find(d *runningDHT, h [20]byte, port uint16) ([]netip.AddrPort, error) {
	var all []netip.AddrPort
	err := d.Lookup(context.Background(), h, port, func(peers []netip.AddrPort) { all = append(all, peers...) })
	slices.SortFunc(all, netip.AddrPort.Compare)
	return all, err
}

// wantFound checks what a look-up finds.
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
