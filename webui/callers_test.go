package webui

import (
	"net"
	"net/http"
	"net/netip"
	"testing"
)

func TestAnIPv6NetworkOfOursIsInside(t *testing.T) {
	networks := func() []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix("2001:db8:1::/64"), netip.MustParsePrefix("198.51.100.0/24")}
	}
	for from, want := range map[string]bool{"[2001:db8:1::7]:1": true, "[2001:db8:2::7]:1": false, "198.51.100.7:1": false} {
		if got := fromInside(&http.Request{RemoteAddr: from}, networks); got != want {
			t.Errorf("from %s: %t", from, got)
		}
	}
}

// arrivals is a listener at which connections have come.
type arrivals chan net.Conn

func (a arrivals) Accept() (net.Conn, error) {
	select {
	case c := <-a:
		return c, nil
	default:
		return nil, net.ErrClosed
	}
}
func (a arrivals) Close() error   { return nil }
func (a arrivals) Addr() net.Addr { return &net.TCPAddr{} }

// visit is a connection from an address.
type visit struct {
	net.Conn
	from   string
	closed *int
}

func (v visit) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(v.from))
}
func (v visit) Close() error { *v.closed++; return nil }

func TestNobodyTakesAllConnections(t *testing.T) {
	come := make(arrivals, 1000)
	crowd := newCrowd(come)
	closed := 0
	enter := func(from string, n int) (in []net.Conn) {
		for range n {
			come <- visit{from: from, closed: &closed}
		}
		for {
			c, err := crowd.Accept()
			if err != nil {
				return in
			}
			in = append(in, c)
		}
	}
	greedy := enter("192.168.1.7:1", 100)
	if len(greedy) != maxConnsEach || closed != 100-maxConnsEach {
		t.Errorf("%d of one address are in, %d were closed", len(greedy), closed)
	}
	if other := enter("192.168.1.8:1", 1); len(other) != 1 {
		t.Error("there is no room for another")
	}
	greedy[0].Close()
	greedy[0].Close()
	if again := enter("192.168.1.7:1", 2); len(again) != 1 {
		t.Errorf("%d came into the place of one", len(again))
	}
	local := enter("127.0.0.1:1", 300)
	if len(local) != maxConns-maxConnsEach-1 {
		t.Errorf("%d of this machine are in", len(local))
	}
}
