package platform

import (
	"errors"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// What a process may send depends on its groups and capabilities, and the groups are a setting of the network.
func TestProbeByPermission(t *testing.T) {
	for _, role := range []string{"its group may", "root", "nobody"} {
		inOwnNetwork(t, role, func() { probeAs(t, role) })
	}
}

func TestProbeClosesItsSockets(t *testing.T) {
	open := func() int {
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(files)
	}
	_, _ = Probe{}.RTT(t.Context(), netip.IPv6Loopback()) // Go's poller has files of its own
	before := open()
	for range 50 {
		_, _ = Probe{}.RTT(t.Context(), netip.IPv6Loopback())
	}
	if after := open(); after > before+10 {
		t.Errorf("%d files were open, and %d are", before, after)
	}
}

func probeAs(t *testing.T, role string) {
	up(t, "lo")
	// A new network lets no group send pings.
	if role == "its group may" {
		if err := os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0); err != nil {
			t.Fatal(err)
		}
	}
	if role == "nobody" {
		dropCapabilities(t)
	}
	for _, addr := range []netip.Addr{netip.MustParseAddr("127.0.0.1"), netip.IPv6Loopback()} {
		rtt, err := Probe{}.RTT(t.Context(), addr)
		if role == "nobody" {
			if !errors.Is(err, ErrNoProbe) {
				t.Errorf("%s: got %v, %v", addr, rtt, err)
			}
			continue
		}
		if err != nil || rtt <= 0 {
			t.Errorf("%s: got %v, %v", addr, rtt, err)
			continue
		}
		conn, raw, err := dialEcho(addr, 0)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if raw != (role == "root") {
			t.Errorf("%s: raw is %v", addr, raw)
		}
	}
	// Nobody is there, and there is no way.
	if rtt, err := (Probe{}).RTT(t.Context(), netip.MustParseAddr("192.0.2.1")); err == nil {
		t.Errorf("nobody answers in %v", rtt)
	}
}

// dropCapabilities makes this goroutine one that is root in name only.
func dropCapabilities(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		t.Fatal(err)
	}
}
