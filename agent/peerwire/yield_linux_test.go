package peerwire

import (
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestBothEndsOfAConnectionYieldToOthers looks at the sockets of a port that was dialled, and of one that dials.
func TestBothEndsOfAConnectionYieldToOthers(t *testing.T) {
	for _, address := range []string{"127.0.0.1:0", "[::1]:0"} {
		t.Run(address, func(t *testing.T) {
			port, err := Listen(address, Config{})
			if err != nil {
				t.Fatal(err)
			}
			defer port.Close()
			accepted := make(chan net.Conn, 1)
			go func() {
				c, err := port.listener.Accept()
				if err != nil {
					t.Error(err)
				}
				yield(c)
				accepted <- c
			}()
			dialled, err := Config{HandshakeTimeout: time.Second}.withDefaults().dialer(false).DialContext(t.Context(), "tcp", port.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer dialled.Close()
			in := <-accepted
			defer in.Close()
			expectYielding(t, "dialled", dialled)
			expectYielding(t, "accepted", in)
		})
	}
}

func expectYielding(t *testing.T, which string, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	level, option := unix.IPPROTO_IP, unix.IP_TOS
	if netip.MustParseAddrPort(c.LocalAddr().String()).Addr().Is6() {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_TCLASS
	}
	var congestion string
	var marked, unsent, buffer int
	var errs [4]error
	err = raw.Control(func(fd uintptr) {
		marked, errs[0] = unix.GetsockoptInt(int(fd), level, option)
		unsent, errs[1] = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT)
		buffer, errs[2] = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF)
		congestion, errs[3] = unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION)
	})
	for _, err := range append(errs[:], err) {
		if err != nil {
			t.Fatalf("%s: %v", which, err)
		}
	}
	if marked != lowerEffort {
		t.Errorf("%s: the DSCP octet is %#x, want %#x", which, marked, lowerEffort)
	}
	if unsent != notSent {
		t.Errorf("%s: %d bytes may wait unsent, want %d", which, unsent, notSent)
	}
	// net.core.wmem_max may allow less.
	if buffer > 2*sendBuffer {
		t.Errorf("%s: the send buffer is %d bytes, want at most %d", which, buffer, 2*sendBuffer)
	}
	allowed, err := os.ReadFile("/proc/sys/net/ipv4/tcp_available_congestion_control")
	if err != nil {
		t.Logf("NOT COVERED HERE: congestion controls: %v", err)
		return
	}
	for _, name := range backgroundCongestionControls {
		if slices.Contains(strings.Fields(string(allowed)), name) && congestion != name {
			t.Errorf("%s: congestion control %q, and this kernel has %q", which, congestion, name)
			break
		}
	}
}
