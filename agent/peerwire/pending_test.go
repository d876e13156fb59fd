package peerwire

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"ebb/agent/swarm"
)

// dialFrom connects to a port from an address of this machine.
func dialFrom(t *testing.T, port *Port, ip string) net.Conn {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	nc, err := dialer.Dial("tcp", port.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc
}

// getsIn reports whether a connection gets through the handshake.
func getsIn(nc net.Conn) bool {
	if _, err := nc.Write(appendHello(nil, swarmA, [20]byte{'X'})); err != nil {
		return false
	}
	_, err := io.ReadFull(nc, make([]byte, helloLength))
	return err == nil
}

func TestSilentConnectionsKeepNobodyOut(t *testing.T) {
	router := newSwitchboard(swarmA)
	port := servePort(t, Config{HandshakeTimeout: patience}, router)
	var silent []net.Conn
	for n := range 2 * maxPending {
		silent = append(silent, dialFrom(t, port, fmt.Sprintf("127.0.1.%d", 1+n%8)))
	}
	for _, ip := range []string{"127.0.0.1", "127.0.1.1"} { // somebody else, and one of the eight themselves
		if !getsIn(dialFrom(t, port, ip)) {
			t.Errorf("no connection from %s gets in", ip)
			continue
		}
		router.next(t)
	}
	port.pending.mu.Lock()
	waiting := len(port.pending.arrivals)
	port.pending.mu.Unlock()
	if waiting > maxPending {
		t.Errorf("%d handshakes wait", waiting)
	}
	if getsIn(silent[0]) {
		t.Error("the oldest of too many is still there")
	}
	if !getsIn(silent[len(silent)-1]) {
		t.Error("the newest has made way")
	}
	router.next(t)
}

func TestTheHostWithTheMostHandshakesMakesWay(t *testing.T) {
	var p pending
	arrive := func(host string) *arrival {
		nc, _ := net.Pipe()
		return p.admit(fakeRemote{nc, host}, func() {})
	}
	early := arrive("192.0.2.1")
	for n := range maxPending - 1 {
		arrive(fmt.Sprintf("198.51.100.%d", 1+n/7))
	}
	crowd := p.arrivals[1]
	arrive("192.0.2.2")
	if p.arrivals[0] != early || p.arrivals[1] == crowd || len(p.arrivals) != maxPending {
		t.Errorf("%s made way for a newcomer, of %d", crowd.host, len(p.arrivals))
	}
	arrive("192.0.2.1")
	p.dismiss(early)
	if p.arrivals[0] == early {
		t.Error("what is over still counts")
	}
}

// fakeRemote is a connection from an address.
type fakeRemote struct {
	net.Conn
	host string
}

func (f fakeRemote) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.ParseIP(f.host), Port: 7} }

func TestKeyExchangesLeaveTimeForServing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges()
		const each = 10 * time.Millisecond // as on a router
		var worked int
		var refused atomic.Int64
		var all sync.WaitGroup
		start := time.Now()
		for n := range 2000 {
			host := swarm.Host(netip.AddrFrom4([4]byte{198, 51, 100, byte(n % 32)}))
			all.Go(func() {
				err := e.do(context.Background(), host, 15*time.Second, func() {
					time.Sleep(each)
					worked++
				})
				if err != nil {
					refused.Add(1)
				}
			})
		}
		all.Wait()
		if share := float64(worked) * each.Seconds() / time.Since(start).Seconds(); share > 0.13 {
			t.Errorf("%.0f %% of the time went to key exchanges", 100*share)
		}
		if worked < 150 || worked+int(refused.Load()) != 2000 {
			t.Errorf("%d were done, %d given up", worked, refused.Load())
		}
		start = time.Now()
		for range computationsBurst + 3*computationsPerHost {
			if err := e.do(context.Background(), swarm.Host(netip.MustParseAddr("192.0.2.1")), time.Minute, func() {}); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 2*time.Second {
			t.Errorf("one host had them all within %v", took)
		}
	})
}

func TestAHandshakeThatMadeWayWaitsForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := newExchanges()
		e.next = time.Now().Add(time.Hour)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		if err := e.do(ctx, netip.Prefix{}, time.Minute, func() { t.Error("it was done") }); err == nil || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}
