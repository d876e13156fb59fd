package peersource

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anacrolix/torrent/iplist"
	"golang.org/x/time/rate"
)

const (
	// Other nodes' queries beyond this rate are dropped before they cost more than a look: each one answered takes
	// three goroutines in the library.
	queriesPerSecond = 100
	queryBurst       = 200
	// readPause keeps a socket that only gives errors from spinning.
	readPause = 100 * time.Millisecond
)

// screenedConn stands between the socket and the DHT library. Queries it answers itself, and passes on for the library to
// know who asks. It passes on only packets that checkKRPC knows, and no errors: the library ends the process when a read fails before it was closed.
type screenedConn struct {
	net.PacketConn
	guard   Guard
	queries *rate.Limiter
	answers atomic.Pointer[responder] // nil until the library runs

	reading   sync.Mutex // held by ReadFrom
	closeOnce sync.Once
	closed    chan struct{} // by the library
	broken    chan error    // the socket's last word, if it was closed by someone else
}

func newScreenedConn(conn net.PacketConn, guard Guard) *screenedConn {
	return &screenedConn{
		PacketConn: conn,
		guard:      guard,
		queries:    rate.NewLimiter(queriesPerSecond, queryBurst),
		closed:     make(chan struct{}),
		broken:     make(chan error, 1),
	}
}

// ReadFrom is called by the library's one reader.
func (c *screenedConn) ReadFrom(p []byte) (int, net.Addr, error) {
	c.reading.Lock()
	defer c.reading.Unlock()
	for {
		n, from, err := c.PacketConn.ReadFrom(p)
		if err != nil {
			if c.over(err) {
				return 0, nil, err
			}
			continue
		}
		sender, ok := addrPort(from)
		if !ok {
			continue
		}
		c.guard.count(0, n)
		answers := c.answers.Load()
		switch kind := checkKRPC(p[:n]); kind {
		case krpcReply:
			if answers != nil {
				answers.heard(sender, time.Now())
			}
		case krpcQuery, krpcOther:
			if !c.queries.Allow() || answers == nil || !c.guard.allowAddrPort(sender) {
				continue
			}
			if answer := answers.answer(p[:n], sender, time.Now()); answer != nil {
				// Whoever does not get it asks again.
				_, _ = c.send(answer, net.UDPAddrFromAddrPort(sender))
			}
			if kind == krpcOther {
				continue
			}
		default:
			continue
		}
		// Unmapped, so that one node has one address, whichever kind of socket heard it.
		return n, net.UDPAddrFromAddrPort(sender), nil
	}
}

// WriteTo is called by the library, with its queries.
func (c *screenedConn) WriteTo(p []byte, to net.Addr) (int, error) {
	addr, _ := addrPort(to)
	if !c.guard.allowAddrPort(addr) {
		return 0, fmt.Errorf("DHT node %v: %w", addr, ErrRefused)
	}
	if answers := c.answers.Load(); answers != nil {
		answers.sent(addr, time.Now())
	}
	return c.send(p, to)
}

func (c *screenedConn) send(p []byte, to net.Addr) (int, error) {
	c.guard.count(len(p), 0)
	return c.PacketConn.WriteTo(p, to)
}

// over reports, after a read error, whether reading is over. If the socket was closed behind the library's back, it
// waits for the library to be closed, too: DHT.Run sees to that.
func (c *screenedConn) over(err error) bool {
	if errors.Is(err, net.ErrClosed) {
		select {
		case c.broken <- err:
		default:
		}
		<-c.closed
		return true
	}
	timer := time.NewTimer(readPause)
	defer timer.Stop()
	select {
	case <-c.closed:
		return true
	case <-timer.C:
		return false
	}
}

func (c *screenedConn) Close() (err error) {
	c.closeOnce.Do(func() {
		close(c.closed)
		err = c.PacketConn.Close()
	})
	return err
}

// wait returns when the library has closed the socket, which it does in a goroutine, and its reader has left.
func (c *screenedConn) wait() {
	<-c.closed
	c.reading.Lock()
	defer c.reading.Unlock() // from here on, reads fail at once
}

// addrPort reads the address of a packet, unmapped.
func addrPort(a net.Addr) (netip.AddrPort, bool) {
	udp, ok := a.(*net.UDPAddr)
	if !ok {
		return netip.AddrPort{}, false
	}
	ap := udp.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port()), ap.Addr().IsValid()
}

// blocklist lets the library ask the guard (iplist.Ranger): it hears nothing from refused addresses and keeps them out
// of look-ups, so that nobody can send our packets into the owner's network by calling an address there a node.
type blocklist struct{ guard Guard }

func (b blocklist) Lookup(ip net.IP) (iplist.Range, bool) {
	addr, _ := netip.AddrFromSlice(ip)
	if err := b.guard.checkAddr(addr); err != nil {
		return iplist.Range{First: ip, Last: ip, Description: err.Error()}, true
	}
	return iplist.Range{}, false
}

// NumRanges is for statistics only.
func (b blocklist) NumRanges() int { return len(reserved) }
