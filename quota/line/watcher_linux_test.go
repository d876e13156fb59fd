package line

import (
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"ebb/quota/line/govern"
)

// pair is a connection over loopback, each side behind a Bandwidth.
func pair(t testing.TB, client, server *Bandwidth) (c, s net.Conn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer listener.Close()
	dialled, err := net.Dial("tcp", listener.Addr().String())
	must(t, err)
	accepted, err := listener.Accept()
	must(t, err)
	c, s = client.Wrap(dialled), server.Wrap(accepted)
	t.Cleanup(func() { c.Close(); s.Close() })
	return c, s
}

// send sends n bytes from one to the other, and one back: when that is there, all of them were acknowledged.
func send(t testing.TB, from, to net.Conn, n int) {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.Discard, to, int64(n))
		if err == nil {
			_, err = to.Write([]byte{1})
		}
		done <- err
	}()
	_, err := from.Write(make([]byte, n))
	must(t, err)
	must(t, <-done)
	_, err = io.ReadFull(from, make([]byte, 1))
	must(t, err)
}

func TestTheKernelTellsWhatIsOnTheWire(t *testing.T) {
	ours, theirs := across(NewBandwidth(Unlimited, Unlimited)), across(NewBandwidth(Unlimited, Unlimited))
	watcher, other := newWatcher(ours), newWatcher(theirs)
	const many, each = 50, 256 << 10 // more connections than are looked at
	var from, to []net.Conn
	for range many {
		c, s := pair(t, ours, theirs)
		from, to = append(from, c), append(to, s)
	}
	const few = 10
	for i := range few {
		send(t, from[i], to[i], each)
	}
	first := watcher.look()
	other.look()
	if first.Up < few*each || first.Up > few*each*1.1 {
		t.Errorf("at first %.0f bytes, guessed from %d", first.Up, few*each)
	}
	for _, n := range []int{few, 1, few, many, many} {
		for i := range n {
			send(t, from[i], to[i], each)
		}
		up, down := watcher.look(), other.look()
		if up.Up < float64(n*each) || up.Up > float64(n*each)*1.1 {
			t.Errorf("%d connections sent %.0f bytes on the wire, for %d of payload", n, up.Up, n*each)
		}
		if up.Down < float64(n) || up.Down > float64(n*each)/10 {
			t.Errorf("%d connections received %.0f bytes on the wire, for %d of payload and acknowledgements", n, up.Down, n)
		}
		if down.Down < float64(n*each) || down.Down > float64(n*each)*1.1 {
			t.Errorf("on the other side %.0f bytes arrived", down.Down)
		}
		measured := 0
		for _, way := range up.Ways {
			if way.Measured && way.Least > 0 && way.Trip < 20*time.Millisecond && way.Acks >= 1 {
				measured++
			}
		}
		if measured == 0 || up.Acked < each {
			t.Errorf("of %d connections %d round trips were measured, and %.0f bytes were acknowledged", n, measured, up.Acked)
		}
	}
	if n := len(watcher.busy); n != watchMost {
		t.Errorf("%d of %d connections were looked at", n, many)
	}
	if silent := watcher.look(); silent.Up > 2000 || silent.Acked > 1 {
		t.Errorf("when nothing is sent: %+v", silent)
	}
	// What was on its way at a look is counted by the next one; then a silent connection is left alone.
	if n := len(watcher.busy); n != watchMost {
		t.Errorf("%d connections were looked at once more", n)
	}
	for _, c := range append(from, to...) {
		c.Close()
	}
	if n := len(ours.conns) + len(theirs.conns); n > 0 {
		t.Errorf("%d connections are remembered after they were closed", n)
	}
}

// Whoever probes the line needs to know toward whom.
func TestThebusiestPeerIsKnown(t *testing.T) {
	ours, theirs := across(NewBandwidth(Unlimited, Unlimited)), across(NewBandwidth(Unlimited, Unlimited))
	o := lends(govern.Auto, govern.Auto, govern.Uncapped)
	g := newGoverned(ours, &memory{}, o, emptyHome, nil)
	pass := func(n int) {
		ours.SetLimits(Unlimited, Unlimited)
		c, s := pair(t, ours, theirs)
		send(t, c, s, n)
	}
	pass(100_000)
	if peer := g.busiestPeer(); peer.IsValid() {
		t.Errorf("before it has looked, and is paused: %s", peer)
	}
	g.tick()
	if peer := g.busiestPeer(); peer != netip.MustParseAddr("127.0.0.1") {
		t.Errorf("got %s", peer)
	}
	g.tick() // what was on its way
	if peer := g.busiestPeer(); peer.IsValid() {
		t.Errorf("when nothing passes: %s", peer)
	}
	pass(100_000)
	o.lend(0, 0, govern.Uncapped)
	g.Apply()
	g.tick()
	if peer := g.busiestPeer(); peer.IsValid() {
		t.Errorf("while it is paused: %s", peer)
	}
}

func TestNeighboursAreNotLimited(t *testing.T) {
	ours, theirs := across(NewBandwidth(0, 0)), across(NewBandwidth(Unlimited, Unlimited))
	ours.SetNeighbour(func(a netip.Addr) bool { return a == netip.MustParseAddr("127.0.0.1") })
	c, s := pair(t, ours, theirs)
	send(t, c, s, 1<<20)
	if up, down := ours.Totals(); up != 0 || down != 0 {
		t.Errorf("Totals = %d, %d", up, down)
	}
	if wire := newWatcher(ours).look(); wire.Up != 0 || len(wire.Ways) > 0 {
		t.Errorf("Look = %+v", wire)
	}
	if up, _ := theirs.Totals(); up != 1 {
		t.Errorf("on the other side, where it is none: %d bytes up", up)
	}
}

// A tick with as many connections as are looked at, all of them busy.
func BenchmarkTick(b *testing.B) {
	ours, theirs := across(NewBandwidth(Unlimited, Unlimited)), across(NewBandwidth(Unlimited, Unlimited))
	o := lends(govern.Auto, govern.Auto, govern.Uncapped)
	g := newGoverned(ours, &memory{}, o, emptyHome, nil)
	var conns []*conn
	for range 200 {
		c, _ := pair(b, ours, theirs)
		conns = append(conns, c.(*conn))
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range conns {
			c.countOut(1448)
		}
		g.tick()
	}
}

// across takes it that loopback passes the line to the internet.
func across(b *Bandwidth) *Bandwidth {
	b.local = func(netip.Addr) bool { return false }
	return b
}
