package line

import (
	"cmp"
	"math"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// socket is the kernel's side of a connection.
type socket struct {
	raw    syscall.RawConn
	peer   netip.Addr
	header int64 // bytes that each segment has on the wire beside its payload
}

const (
	// What a segment's payload is wrapped in. Nearly all TCP carries time stamps (RFC 7323), and the counters of an
	// interface include the Ethernet header, though neither preamble nor check sum.
	ethernetHeader = 14
	ipv4Header     = 20
	ipv6Header     = 40
	tcpHeader      = 20 + 12
)

// newSocket returns nil for what is not a TCP connection of this machine, and for one to an address that is local.
func newSocket(c net.Conn, local func(netip.Addr) bool) *socket {
	for {
		wrapped, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			break
		}
		c = wrapped.NetConn()
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	addr, ok := tcp.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	peer := addr.AddrPort().Addr().Unmap()
	if local(peer) {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	s := &socket{raw: raw, peer: peer, header: ethernetHeader + ipv6Header + tcpHeader}
	if addr.IP.To4() != nil {
		s.header = ethernetHeader + ipv4Header + tcpHeader
	}
	return s
}

// tcpInfo is what the kernel tells of a connection. Its counters begin at 0 with the connection.
type tcpInfo struct {
	counted         bool   // the next four are known: kernels before 4.19 do not tell all of them
	sent, received  uint64 // bytes of payload; sent includes what was sent again
	segsOut, segsIn uint32 // they wrap
	dataSegsIn      uint32
	acked           uint64        // bytes of ours that arrived
	rtt, vary       time.Duration // the smoothed round trip, and how much one differs from it; 0: not known
	least           time.Duration // of the last minutes; 0: not known
}

// shortest is the least round trip that is known of the connection; 0: none. Kernels before 4.6 do not keep the least.
func (s *tcpInfo) shortest() time.Duration { return cmp.Or(s.least, s.rtt) }

// sampleWeight is the part of the smoothed round trip that a measurement leaves as it was (RFC 6298 §2.3).
const sampleWeight = 7.0 / 8

// longestTrip is the most that is believed.
const longestTrip = 10 * time.Second

// roundTrip returns the mean of the round trips that were measured between two looks at a connection, and false if
// there was none. The smoothed one moves by an eighth with each acknowledgement, so when there are few it lags far
// behind.
func roundTrip(before, now *tcpInfo) (time.Duration, bool) {
	if now.rtt <= 0 || before.rtt <= 0 {
		return 0, false
	}
	if now.acked == 0 && now.segsIn == 0 { // kernels before 4.1 count neither: that it moved tells that there was one
		return min(now.rtt, longestTrip), now.rtt != before.rtt
	}
	if now.acked <= before.acked {
		return 0, false
	}
	left := math.Pow(sampleWeight, float64(acksBetween(before, now)))
	mean := (float64(now.rtt) - float64(before.rtt)*left) / (1 - left)
	return time.Duration(min(max(mean, 0), float64(longestTrip))), true
}

// acksBetween returns how many acknowledgements came between two looks, at least 1: it may have come along with data.
func acksBetween(before, now *tcpInfo) int {
	return max(int(now.segsIn-before.segsIn)-int(now.dataSegsIn-before.dataSegsIn), 1)
}

// onWire returns the bytes that passed between two looks, headers and acknowledgements included.
func (s *socket) onWire(before, now *tcpInfo) (out, in float64) {
	out = float64(now.sent-before.sent) + float64(now.segsOut-before.segsOut)*float64(s.header)
	in = float64(now.received-before.received) + float64(now.segsIn-before.segsIn)*float64(s.header)
	return out, in
}
