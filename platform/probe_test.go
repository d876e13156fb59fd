package platform

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestProbeFindsThisMachine(t *testing.T) {
	defer goleak.VerifyNone(t)
	for _, addr := range []string{"127.0.0.1", "::1", "::ffff:127.0.0.1"} {
		rtt, err := Probe{}.RTT(t.Context(), netip.MustParseAddr(addr))
		switch {
		case errors.Is(err, ErrNoProbe):
			t.Logf("NOT COVERED HERE: %v", err)
		case err != nil && strings.Contains(err.Error(), "cannot assign requested address"):
			t.Logf("NOT COVERED HERE: IPv6: %v", err)
		case err != nil || rtt <= 0 || rtt > time.Second:
			t.Errorf("%s: %v, %v", addr, rtt, err)
		}
	}
}

func TestProbeOfWhatIsNoMachine(t *testing.T) {
	for _, addr := range []netip.Addr{{}, netip.IPv4Unspecified(), netip.IPv6Unspecified(), netip.MustParseAddr("224.0.0.1"), netip.MustParseAddr("ff02::1"), netip.MustParseAddr("fe80::1%nosuch")} {
		if rtt, err := (Probe{}).RTT(t.Context(), addr); err == nil {
			t.Errorf("%s answered in %s", addr, rtt)
		}
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	defer goleak.VerifyNone(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Probe{Timeout: time.Hour}.RTT(ctx, netip.MustParseAddr("192.0.2.254"))
	if errors.Is(err, ErrNoProbe) || (err != nil && strings.Contains(err.Error(), "unreachable")) {
		t.Logf("NOT COVERED HERE: %v", err)
		return
	}
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// hopThat returns a connection to a hop that answers a request with what answers makes of it, a millisecond apart.
func hopThat(t *testing.T, answers func(request []byte) [][]byte) echoConn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	go func() {
		request := make([]byte, 100)
		n, err := theirs.Read(request)
		if err != nil {
			return
		}
		for _, answer := range answers(request[:n]) {
			time.Sleep(time.Millisecond)
			if _, err := theirs.Write(answer); err != nil {
				return
			}
		}
	}()
	return piped{ours}
}

// piped is a socket that what is written at the other end arrives at.
type piped struct{ net.Conn }

func (p piped) receive(buffer []byte) (received, error) {
	n, err := p.Read(buffer)
	return received{message: buffer[:n]}, err
}

func changed(message []byte, at int, to byte) []byte {
	message = append([]byte(nil), message...)
	message[at] = to
	return message
}

func TestProbeTakesItsOwnAnswerOnly(t *testing.T) {
	for _, c := range []struct {
		name      string
		raw, ipv4 bool
		took      time.Duration // at a message a millisecond
	}{
		{"IPv4", false, true, 5 * time.Millisecond},
		{"IPv6", false, false, 5 * time.Millisecond},
		{"IPv6, raw", true, false, 6 * time.Millisecond},
		{"IPv4, raw", true, true, 9 * time.Millisecond},
	} {
		synctest.Test(t, func(t *testing.T) {
			conn := hopThat(t, func(request []byte) [][]byte {
				kind := byte(echoReply6)
				if c.ipv4 {
					kind = echoReply4
					if request[0] != echoRequest4 || checksum(request) != 0 {
						t.Errorf("%s: request %x", c.name, request)
					}
				} else if request[0] != echoRequest6 {
					t.Errorf("%s: request %x", c.name, request)
				}
				reply := changed(request, 0, kind)
				ip := func(header byte, message []byte) []byte {
					if !c.raw || !c.ipv4 {
						return message
					}
					return append(append([]byte{header}, make([]byte, int(header&15)*4-1)...), message...)
				}
				all := [][]byte{
					ip(0x45, request),                                         // on loopback, raw sockets hear themselves
					ip(0x45, changed(reply, 7, reply[7]+1)),                   // of another request
					ip(0x45, changed(reply, echoHeader, reply[echoHeader]+1)), // of another program
					ip(0x45, reply[:len(reply)-1]),
				}
				if c.raw { // the kernel sees to the identifier otherwise
					all = append(all, ip(0x45, changed(reply, 4, reply[4]+1)))
				}
				if c.raw && c.ipv4 {
					all = append(all, []byte{0x45}, append([]byte{0x65}, ip(0x45, reply)[1:]...), append([]byte{0x4f}, ip(0x45, reply)[1:]...))
				}
				return append(all, ip(0x46, reply)) // with an option in its header
			})
			_ = conn.SetDeadline(time.Now().Add(time.Second))
			addr := netip.IPv6Loopback()
			if c.ipv4 {
				addr = netip.MustParseAddr("127.0.0.1")
			}
			if hop, err := echo(conn, c.raw, addr); err != nil || hop.RTT != c.took || hop.Addr != addr {
				t.Errorf("%s: %v, %v; want %v", c.name, hop, err, c.took)
			}
		})
	}
}

func TestProbeGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := hopThat(t, func([]byte) [][]byte { return nil })
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		if hop, err := echo(conn, false, netip.MustParseAddr("127.0.0.1")); err == nil {
			t.Errorf("got %v", hop)
		}
	})
}

func TestChecksum(t *testing.T) {
	// RFC 1071 §3 sums these to ddf2.
	if got := checksum([]byte{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7}); got != ^uint16(0xddf2) {
		t.Errorf("got %x", got)
	}
}

func FuzzEchoAnswer(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, packet []byte, ipv4 bool) {
		request := [echoSize]byte{0: echoRequest6}
		if ipv4 {
			request[0] = echoRequest4
			packet = withoutIPv4Header(packet)
		}
		request[echoHeader] = 0xAB
		if answers(packet, request, true) && (packet[echoHeader] != 0xAB || packet[0] == request[0]) {
			t.Fatalf("%x is taken for an answer", packet)
		}
	})
}

func BenchmarkProbe(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Probe{}).RTT(b.Context(), netip.MustParseAddr("127.0.0.1")); err != nil {
			b.Fatal(err)
		}
	}
}
